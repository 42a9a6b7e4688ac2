"""Autograd nodes that raise an error when they are differentiated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class _Refuse(torch.autograd.Function):
    """The identity, whose backward pass raises RuntimeError with a message."""

    @staticmethod
    def forward(ctx: Any, message: str, x: Tensor, *anchors: Tensor) -> Tensor:
        ctx.message = message
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> None:
        raise RuntimeError(ctx.message)


def refuse(message: str, x: Tensor, anchors: Sequence[Tensor]) -> Tensor:
    """``x``, whose gradient raises RuntimeError where one of ``anchors`` requires a gradient."""
    tied: Tensor = _Refuse.apply(message, x, *anchors)
    return tied


def refuse_second_order(
    block: str, gradients: Sequence[Tensor | None], inputs: Sequence[Tensor]
) -> list[Tensor | None]:
    """A block's gradients tied to what they depend on, so that differentiating them again fails.

    Otherwise autograd would take them for constants, and second derivatives for zero.
    """
    message = (
        f"block {block}: its gradient cannot be differentiated a second time, for an estimator "
        "gives first derivatives only. Detach what the second derivative runs through, or take "
        "it by finite differences of the gradient"
    )
    anchors = [x for x in inputs if x.requires_grad]
    if not anchors:
        return list(gradients)
    return [None if g is None else refuse(message, g, anchors) for g in gradients]
