"""``adaptive_avg_pool2d``."""

from __future__ import annotations

from ffebm_dsl.constructs.ops._torch import torch_module
from ffebm_dsl.language.registry import Arguments, Fit, Kind, Misfit, OpConstruct, Parameter, Shape
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE
from ffebm_dsl.language.registry.shapes import not_an_image


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    size = arguments["size"]
    return not_an_image("adaptive_avg_pool2d", shape) or Fit((shape[0], size, size))


CONSTRUCT = OpConstruct(
    "adaptive_avg_pool2d",
    "mean over a grid of size x size windows",
    (Parameter("size", Kind.INT, "side of the output", bounds=AT_LEAST_ONE),),
    equation="y[c,i,j] = mean of x[c, k, l] over floor(i H / size) <= k < ceil((i + 1) H / size), "
    "and l likewise",
    deviations=("torch.nn.AdaptiveAvgPool2d also takes a grid that is not square",),
    module=torch_module("AdaptiveAvgPool2d"),
    shape=_shape,
    role="pooling",
)
