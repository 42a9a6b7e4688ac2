"""Scaling of nudges to the range of the states that they nudge.

EP's estimate is homogeneous in the cotangent up to its bias: twice the cotangent gives
twice the gradient. But a nudge far larger than the states it moves saturates them, and one
near the rounding of the dtype is lost in it. A factor on the loss (a gradient scaler, a sum
instead of a mean, a tiny auxiliary weight) can cause either unintentionally. Each sample's
cotangent is therefore compared with the narrowest range of its block's activations. If it is
out of proportion, it is scaled to a quarter of that range and the sample's estimate by the
inverse; otherwise nothing changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from ffebm_dsl.physics.gradients import LinearCost
from ffebm_dsl.physics.interfaces import Activation, per_sample

SATURATING = 4.0
"""The largest entry of a cotangent in proportion, in units of the range. The cotangents of
usual losses on such states stay below 1."""

SMALLEST = 1024.0
"""The smallest, in units of the range times machine epsilon: below it less than three
digits of a nudge at beta = 0.2 survive rounding."""

WIDE = 2.0
"""The range of a tanh. States fill it, but not a wider one, which says nothing about them."""

TYPICAL = 0.25
"""What a cotangent out of proportion is brought to, in units of the range: as far from
saturation as from the rounding of float32 and the tolerance of a loose free phase."""


def proportioned(
    cotangents: Mapping[int, Tensor], activations: Sequence[Activation], weights: Tensor
) -> tuple[LinearCost, Tensor]:
    """The cost with scaled nudges, and the sample weights that undo the scaling.

    Args:
        cotangents: cotangents of the loss per sample by layer, (B, *layer shape).
        activations: the activations of all layers of the block.
        weights: weights of the samples, (B,).
    """
    largest = partial(torch.linalg.vector_norm, ord=torch.inf)
    sizes = [largest(c, dim=[*range(1, c.dim())]) for c in cotangents.values()]
    relative = torch.stack(sizes).amax(0) / _narrowest(activations)
    smallest = SMALLEST * torch.finfo(relative.dtype).eps
    out = (relative > SATURATING) | ((relative > 0) & (relative < smallest))
    if not bool(out.any()):
        return LinearCost({**cotangents}), weights
    # Powers of two multiply without rounding. What is not finite is left for others to find.
    exponent = torch.where(out & relative.isfinite(), (relative / TYPICAL).log2().round(), 0.0)
    exponent = exponent.clamp(*_exponents(relative.dtype))
    factor = torch.exp2(-exponent)
    scaled = {i: c * per_sample(factor, c) for i, c in cotangents.items()}
    return LinearCost(scaled), weights / factor


def _narrowest(activations: Sequence[Activation]) -> float:
    """The width of the narrowest range of states; 1 where all are wider than ``WIDE``."""
    widths = [high - low for low, high in (a.range for a in activations)]
    return min((w for w in widths if w <= WIDE), default=1.0)


def _exponents(dtype: torch.dtype) -> tuple[float, float]:
    """The range of exponents of two whose inverse ``dtype`` represents too."""
    limit = math.floor(-math.log2(torch.finfo(dtype).tiny)) - 1
    return -float(limit), float(limit)
