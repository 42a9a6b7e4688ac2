"""``group_norm``."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._normalisation import AFFINE, EPS, NORMALISED, scale_and_shift
from ffebm_dsl.language.registry import (
    Arguments,
    Fit,
    Kind,
    Misfit,
    OpConstruct,
    OpIR,
    Parameter,
    Shape,
)
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE

if TYPE_CHECKING:
    from torch import nn


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    groups = arguments["groups"]
    if shape[0] % groups:
        return Misfit(f"`groups={groups}` does not divide the {shape[0]} channels")
    if prod(shape) == groups:
        return Misfit("`group_norm` of groups of one number makes every number 0")
    return Fit(shape)


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    groups, eps, affine = (op.arguments[name] for name in ("groups", "eps", "affine"))
    return nn.GroupNorm(groups, op.in_shape[0], eps=eps, affine=affine)


CONSTRUCT = OpConstruct(
    "group_norm",
    "normalisation over groups of channels of a sample",
    (
        Parameter("groups", Kind.INT, "number of groups", bounds=AT_LEAST_ONE),
        EPS,
        AFFINE,
    ),
    equation=f"{NORMALISED}, mean and variance of each group of channels of the sample",
    source="Wu and He 2018, arXiv 1803.08494",
    module=_module,
    shape=_shape,
    count_parameters=scale_and_shift,
    role="normalisation",
)
