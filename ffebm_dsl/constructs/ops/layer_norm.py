"""``layer_norm``."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._normalisation import AFFINE, EPS, NORMALISED
from ffebm_dsl.language.registry import Arguments, Fit, Misfit, OpConstruct, OpIR, Shape

if TYPE_CHECKING:
    from torch import nn


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    if prod(shape) == 1:
        return Misfit("`layer_norm` of one number makes it 0")
    return Fit(shape)


def _parameters(op: OpIR) -> int:
    return 2 * prod(op.in_shape) if op.arguments["affine"] else 0


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    eps, affine = op.arguments["eps"], op.arguments["affine"]
    return nn.LayerNorm(op.in_shape, eps=eps, elementwise_affine=affine)


CONSTRUCT = OpConstruct(
    "layer_norm",
    "normalisation over all entries of a sample",
    (EPS, AFFINE),
    equation=f"{NORMALISED}, mean and variance over all entries of the sample",
    source="Ba, Kiros and Hinton 2016, arXiv 1607.06450",
    deviations=("torch.nn.LayerNorm can also normalise over the last dimensions alone",),
    module=_module,
    shape=_shape,
    count_parameters=_parameters,
    role="normalisation",
)
