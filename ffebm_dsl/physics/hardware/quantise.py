"""Uniform quantisers with straight-through gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def quantise(x: Tensor, low: float, high: float, levels: int) -> Tensor:
    """Round ``x`` to the nearest of ``levels`` levels from ``low`` to ``high``, inclusive.

    Halfway between two levels it is rounded to the even one; outside the range it is clipped. The
    middle level of an odd number of levels is represented exactly.
    """
    step = (high - low) / (levels - 1)
    # Counted from the middle where that is a level, so that a 0 there stays 0.
    odd = levels % 2 == 1
    origin, below = ((low + high) / 2, (levels - 1) // 2) if odd else (low, 0)
    index = (x - origin if origin else x).div(step).round_().clamp_(-below, levels - 1 - below)
    return index.mul_(step).add_(origin) if origin else index.mul_(step)


def straight_through(x: Tensor, low: float, high: float, levels: int) -> Tensor:
    """:func:`quantise`, with the gradient of a clip: 1 inside the range, 0 outside."""
    if not (x.requires_grad and torch.is_grad_enabled()):
        return quantise(x, low, high, levels)
    result: Tensor = _StraightThrough.apply(x, low, high, levels)  # type: ignore[no-untyped-call]
    return result


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float, levels: int) -> Tensor:
        # 1 inside, 0 outside: booleans take several times as long to make and to multiply by.
        ctx.save_for_backward(x.clamp(low, high).eq_(x))
        return quantise(x, low, high, levels)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (inside,) = ctx.saved_tensors
        return gradient * inside, None, None, None
