"""Shared parts of normalisation ops."""

from __future__ import annotations

from ffebm_dsl.language.registry import Kind, Misfit, OpIR, Parameter, Shape
from ffebm_dsl.language.registry.parameters import POSITIVE, PROBABILITY

EPS = Parameter("eps", Kind.REAL, "added to the variance", 1e-5, POSITIVE)
AFFINE = Parameter("affine", Kind.BOOL, "learn a scale and a shift", True)

BATCH_NORM = (
    AFFINE,
    Parameter("momentum", Kind.REAL, "weight of a new batch in the statistics", 0.1, PROBABILITY),
    EPS,
    Parameter("sync", Kind.BOOL, "one mean and variance over all processes of a run", False),
)

NORMALISED = "y = gamma (x - mean) / sqrt(variance + eps) + beta"


def scale_and_shift(op: OpIR) -> int:
    """The number of trainable parameters of a normalisation by channel."""
    return 2 * op.in_shape[0] if op.arguments["affine"] else 0


def use_instead(other: str, wrong: Misfit, rank: int, shape: Shape) -> Misfit:
    """``wrong``, with the op to use instead, which takes ``rank`` sizes."""
    return Misfit(wrong.message, f"use `{other}`", True, instead=other * (len(shape) == rank))
