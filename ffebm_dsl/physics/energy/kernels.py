"""Convolutions made ready for a phase: fixed weights, packed once and used every sweep.

A relaxation applies the same weights hundreds of times, forward and adjoint, and never
asks for a graph. On a CPU a convolution's weights are therefore packed for oneDNN once per
phase, which a small batch gains most from (512 channels on 2 x 2 pixels, batch 8: three
times); its adjoint runs as a convolution with flipped weights, and what the adjoint is
added to is summed inside the convolution. Elsewhere PyTorch's own convolutions run, on
channels-last tensors.

The packed form calls operators that PyTorch's compiler emits (``torch.ops.mkldnn``); where
an installation lacks them, PyTorch's own convolutions serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

PACKED_DTYPES = (torch.float32,)
"""What oneDNN's packed convolutions are used for."""


@dataclass(frozen=True)
class Geometry:
    """How a kernel moves over its input.

    ``unread`` counts the rows and columns of the input that a strided convolution never
    reads, which its adjoint must restore.
    """

    stride: int
    padding: int
    dilation: int
    groups: int
    unread: tuple[int, ...]


def channels_last(x: Tensor) -> Tensor:
    """``x`` in the memory layout that its device convolves fastest; its values unchanged.

    Images in single precision or less become channels-last. In float64, which checks use,
    the layout and with it every rounding stays as it was.
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


class Convolution:
    """``conv2d`` with weight (out, in / groups, k, k), bias (out,), and its adjoint."""

    def __init__(self, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
        self._weight = weight.detach()
        self.bias = None if bias is None else bias.detach()
        self.geometry = geometry

    @cached_property
    def weight(self) -> Tensor:
        """In the layout of what it meets."""
        return channels_last(self._weight)

    def __call__(self, x: Tensor) -> Tensor:
        return self._convolve(x, self.bias)

    def tangent(self, x: Tensor) -> Tensor:
        return self._convolve(x, None)

    def adjoint(self, y: Tensor) -> Tensor:
        g = self.geometry
        return F.conv_transpose2d(
            y, self.weight, None, g.stride, g.padding, g.unread, g.groups, g.dilation
        )

    def adjoint_onto(self, y: Tensor, base: Tensor) -> Tensor:
        """``base`` plus the adjoint of ``y``, in a tensor of its own."""
        return self.adjoint(y).add_(base)

    def _convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        g = self.geometry
        return F.conv2d(x, self.weight, bias, g.stride, g.padding, g.dilation, g.groups)


class PackedConvolution(Convolution):
    """The same with weights packed for oneDNN, for inputs (``batch``, *``in_shape``)."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        geometry: Geometry,
        in_shape: tuple[int, ...],
        batch: int,
    ) -> None:
        super().__init__(weight, bias, geometry)
        g = geometry
        self._forward = _Packed(self._weight, g, g.padding, (batch, *in_shape))
        self._adjoint: _Packed | None = None
        reach = g.dilation * (weight.shape[-1] - 1)
        if g.stride == 1 and reach >= g.padding:
            # Then the transpose is a convolution too, with flipped weights.
            sizes = [size + 2 * g.padding - reach for size in in_shape[1:]]
            self._adjoint = _Packed(
                _flipped(self._weight, g.groups), g, reach - g.padding, (batch, len(weight), *sizes)
            )

    def adjoint(self, y: Tensor) -> Tensor:
        return super().adjoint(y) if self._adjoint is None else self._adjoint(y, None)

    def adjoint_onto(self, y: Tensor, base: Tensor) -> Tensor:
        if self._adjoint is None:
            return super().adjoint_onto(y, base)
        return self._adjoint.onto(y, base)

    def _convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return self._forward(x, bias)


class _Packed:
    """A packed weight and the operators that take it."""

    def __init__(
        self, weight: Tensor, geometry: Geometry, padding: int, in_shape: tuple[int, ...]
    ) -> None:
        stride, dilation = [geometry.stride] * 2, [geometry.dilation] * 2
        self._where = [padding] * 2, stride, dilation, geometry.groups
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(
            weight, [padding] * 2, stride, dilation, geometry.groups, list(in_shape)
        )

    def __call__(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return torch.ops.mkldnn._convolution_pointwise(
            channels_last(x), self._weight, bias, *self._where, "none", [], ""
        )

    def onto(self, x: Tensor, base: Tensor) -> Tensor:
        return torch.ops.mkldnn._convolution_pointwise.binary(
            channels_last(x), base, self._weight, None, *self._where, "add", 1.0, None, [], None
        )


def convolution(
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    in_shape: tuple[int, ...],
    batch: int,
) -> Convolution:
    """The fastest form at hand for inputs (``batch``, *``in_shape``)."""
    if packs(weight):
        return PackedConvolution(weight, bias, geometry, in_shape, batch)
    return Convolution(weight, bias, geometry)


def packs(weight: Tensor) -> bool:
    """Whether oneDNN's packed convolutions are to be had for ``weight``."""
    return (
        weight.device.type == "cpu"
        and weight.dtype in PACKED_DTYPES
        and torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and _packing_works()
    )


@cache
def _packing_works() -> bool:
    """Whether this installation's packed operators exist and give PyTorch's own result."""
    geometry = Geometry(1, 1, 1, 1, (0, 0))
    ones = [torch.ones(shape) for shape in ((2, 3, 3, 3), (2,), (1, 3, 4, 4), (1, 2, 4, 4))]
    weight, bias, x, y = ones
    with torch.no_grad():
        plain = Convolution(weight, bias, geometry)
        try:
            packed = PackedConvolution(weight, bias, geometry, (3, 4, 4), 1)
            pairs = (packed(x), plain(x)), (packed.adjoint_onto(y, x), plain.adjoint_onto(y, x))
        except (AttributeError, RuntimeError, TypeError):
            return False
        return all(torch.allclose(found, expected) for found, expected in pairs)


def _flipped(weight: Tensor, groups: int) -> Tensor:
    """(out, in / groups, k, k) to the weight (in, out / groups, k, k) of the adjoint."""
    outer, inner, *window = weight.shape
    split = weight.reshape(groups, outer // groups, inner, *window).transpose(1, 2)
    return split.reshape(groups * inner, outer // groups, *window).flip(2, 3).contiguous()
