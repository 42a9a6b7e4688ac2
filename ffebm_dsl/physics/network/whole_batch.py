"""Digital ops that depend on the whole batch, also where processes share it.

In a single process they are those of PyTorch. Where a :class:`Part` gives this process part of a
global batch, they compute the same as one process with the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Reduction = Callable[[Tensor], None]
"""Replaces a tensor, in place, by the sum over all processes."""


@dataclass(frozen=True)
class Part:
    """The rows ``first`` to ``first + count`` of a batch of ``total``.

    A process without a row (``count`` 0) computes with a placeholder row without weight, as it
    must take part in collective operations. ``reduce`` is None if the part is the whole batch.
    ``processes`` is the number of processes whose gradients are averaged: each multiplies its
    loss by it, so that the average is the gradient of the mean over all samples.
    """

    first: int
    count: int
    total: int
    reduce: Reduction | None = None
    processes: int = 1


class WholeBatch:
    """A module that depends on which part of a batch it is given; None: the whole batch."""

    part: Part | None = None


def share(network: nn.Module, part: Part | None) -> None:
    """Set the part of the batch for every module of ``network`` that depends on it.

    None means the whole batch.
    """
    for module in network.modules():
        if isinstance(module, WholeBatch):
            module.part = part


class Dropout(WholeBatch, nn.Dropout):
    """Dropout that does not depend on how processes share the batch."""

    def forward(self, x: Tensor) -> Tensor:
        part = self.part
        if not self.training or part is None or part.reduce is None:
            return super().forward(x)
        whole = x.new_empty((part.total, *x.shape[1:]))
        if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
            whole = whole.contiguous(memory_format=torch.channels_last)
        # Drawn as torch draws them for the whole batch, in the order of its memory.
        kept = whole.bernoulli_(1 - self.p)
        first = part.first if part.count else 0
        scale = 0.0 if self.p == 1 else 1 / (1 - self.p)
        return x * (kept[first : first + len(x)] * scale)


class BatchNorm(WholeBatch, nn.modules.batchnorm._BatchNorm):
    """Batch norm of vectors (B, C) or images (B, C, H, W).

    With ``sync`` mean and variance are those of the global batch, and the running ones are
    the same in every process. Without, each process takes its own.
    """

    def __init__(self, features: int, *, sync: bool = False, **arguments: Any) -> None:
        super().__init__(features, **arguments)
        self.sync = sync

    def forward(self, x: Tensor) -> Tensor:
        part = self.part
        if not (self.sync and self.training) or part is None or part.reduce is None:
            return super().forward(x)
        mean, variance, count = _moments(x, part, part.reduce)
        self._remember(mean.detach(), variance.detach() * (count / (count - 1)))
        shape = (1, -1, *[1] * (x.dim() - 2))
        y = (x - mean.view(shape)) * torch.rsqrt(variance + self.eps).view(shape)
        if not self.affine:
            return y
        return y * self.weight.view(shape) + self.bias.view(shape)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards those of this batch, as torch does."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


class BatchNorm1d(BatchNorm, nn.BatchNorm1d):
    """Over vectors."""


class BatchNorm2d(BatchNorm, nn.BatchNorm2d):
    """Over images, by channel."""


def _moments(x: Tensor, part: Part, reduce: Reduction) -> tuple[Tensor, Tensor, int]:
    """Mean and (biased) variance by channel over the global batch, and the number of values.

    Two passes: the square of the mean, subtracted from the mean square, would lose digits.
    """
    count = part.total * x[0, 0].numel()
    if count == 1:
        raise ValueError(f"batch norm of a single value by channel: {list(x.shape)}")
    axes = (0, *range(2, x.dim()))
    own = x[: part.count]
    mean: Tensor = _SumOfAll.apply(own.sum(axes), reduce) / count
    off = own - mean.view(1, -1, *[1] * (x.dim() - 2))
    return mean, _SumOfAll.apply(off.square().sum(axes), reduce) / count, count


class _SumOfAll(torch.autograd.Function):
    """The sum over all processes. The gradient is that of the sum of their losses."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, reduce: Reduction) -> Tensor:
        ctx.reduce = reduce
        total = x.clone()
        reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.contiguous().clone()
        ctx.reduce(total)
        return total, None
