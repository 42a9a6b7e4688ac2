"""States in memory: channels-last images, rows of a batch, vectors per sample."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def squared_norm(tensors: Sequence[Tensor]) -> Tensor:
    """The sum of squares per sample over all tensors, (B,)."""
    total: Tensor | None = None
    for x in tensors:
        square = torch.linalg.vector_norm(x.detach(), dim=[*range(1, x.dim())]).square_()
        total = square if total is None else total.add_(square)
    assert total is not None, "there is a tensor"
    return total


def flat(x: Tensor, like: Tensor | None = None) -> Tensor:
    """(B, ...) to (B, n), in the order of memory where ``like``, or ``x``, is channels-last."""
    return (x.permute(0, 2, 3, 1) if is_channels_last(x if like is None else like) else x).flatten(
        1
    )


def unflat(x: Tensor, like: Tensor) -> Tensor:
    """The inverse of :func:`flat`, in the shape and layout of ``like``."""
    if not is_channels_last(like):
        return x.reshape(-1, *like.shape[1:]).contiguous()
    _, channels, *image = like.shape
    images = x.reshape(-1, *image, channels).permute(0, 3, 1, 2)
    return images.contiguous(memory_format=torch.channels_last)


def is_channels_last(x: Tensor) -> bool:
    """Whether ``x`` is a batch of images in channels-last layout only."""
    return (
        x.dim() == 4
        and not x.is_contiguous()
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    steps: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """``torch.nn.functional.conv2d`` with ``steps`` of rows and columns, right for one channel too.

    The stride of an axis of length 1 is arbitrary in PyTorch, but its ``conv2d`` in float32 reads
    wrong memory if that of a single channel of ``x`` or ``weight`` is 1, the steps differ, and the
    output has one column (2.13, x86). The stride of a single channel is therefore normalised.
    """
    if x.shape[1] == 1 and len(set(steps)) > 1:
        x, weight = (t.contiguous().flatten(1).view(t.shape) for t in (x, weight))
    return F.conv2d(x, weight, bias, [*steps], padding, [*dilation], groups)


def per_row(flags: Tensor, like: Tensor) -> Tensor:
    """(B,) flags, shaped to choose among the samples of ``like``, (B, ...)."""
    return flags.view(-1, *[1] * (like.dim() - 1))


def channels_last(x: Tensor) -> Tensor:
    """``x`` in the memory layout that its device convolves fastest; its values unchanged.

    Images in float32 or less become channels-last. In float64, which checks use, the layout and
    with it all rounding stays unchanged.
    """
    if x.dim() != 4 or x.dtype == torch.float64:
        return x
    return x.contiguous(memory_format=torch.channels_last)


def zeros(batch: int, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Zeros (batch, *shape) of the dtype and device of ``like``, laid out to be convolved."""
    if len(shape) != 3 or like.dtype == torch.float64:
        return like.new_zeros(batch, *shape)
    empty = torch.empty(
        (batch, *shape),
        dtype=like.dtype,
        device=like.device,
        memory_format=torch.channels_last,
    )
    return empty.zero_()


def take_rows(x: Tensor, rows: Tensor) -> Tensor:
    """The samples ``rows`` of ``x``, (B, ...), in its memory layout."""
    if x.dim() == 4 and not x.is_contiguous():
        return x.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)
    return x.index_select(0, rows)


def blank(like: Tensor, shape: Sequence[int]) -> Tensor:
    """An uninitialised (B, *shape) of the batch, dtype, device and memory layout of ``like``."""
    last = torch.channels_last
    images = like.dim() == 4 and len(shape) == 3 and not like.is_contiguous()
    return torch.empty(
        (like.shape[0], *shape),
        dtype=like.dtype,
        device=like.device,
        memory_format=last
        if images and like.is_contiguous(memory_format=last)
        else torch.contiguous_format,
    )
