"""States as vectors, one per sample, without moving them in memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def squared_norm(tensors: Sequence[Tensor]) -> Tensor:
    """The sum of squares per sample over all tensors, (B,)."""
    return torch.stack(
        [torch.linalg.vector_norm(flat(x.detach()), dim=1).square() for x in tensors]
    ).sum(0)


def flat(x: Tensor, like: Tensor | None = None) -> Tensor:
    """(B, ...) to (B, n), in the order of memory where ``like``, or ``x``, is channels-last."""
    return (x.permute(0, 2, 3, 1) if _last(x if like is None else like) else x).flatten(1)


def unflat(x: Tensor, like: Tensor) -> Tensor:
    """The inverse of :func:`flat`, in the shape and layout of ``like``."""
    if not _last(like):
        return x.reshape(like.shape).contiguous()
    batch, channels, *image = like.shape
    images = x.reshape(batch, *image, channels).permute(0, 3, 1, 2)
    return images.contiguous(memory_format=torch.channels_last)


def _last(x: Tensor) -> bool:
    return (
        x.dim() == 4
        and not x.is_contiguous()
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def per_row(flags: Tensor, like: Tensor) -> Tensor:
    """(B,) flags, shaped to choose among the samples of ``like``, (B, ...)."""
    return flags.view(-1, *[1] * (like.dim() - 1))
