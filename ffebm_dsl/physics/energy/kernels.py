"""Convolutions prepared for a phase: weights are packed once and used in every sweep.

A relaxation applies the same weights hundreds of times, forward and adjoint, without an
autograd graph. On a CPU a convolution's weights are therefore packed for oneDNN once per
phase, which pays most for small batches (512 channels on 2 x 2 pixels, batch 8: three times
faster); the adjoint is a convolution with flipped weights, which also adds its base tensor.
Elsewhere PyTorch's convolutions are used, on channels-last tensors.

The packed form calls operators of PyTorch's compiler (``torch.ops.mkldnn``); where an
installation lacks them, PyTorch's convolutions are used.
"""

from __future__ import annotations

from functools import cache, cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ffebm_dsl.physics.interfaces import BoundOp, LinearOp, Stencil, Weights
from ffebm_dsl.physics.layout import channels_last, conv2d, flat, is_channels_last, unflat

PACKED_DTYPES = (torch.float32,)
"""What oneDNN's packed convolutions are used for."""


class Convolution(BoundOp):
    """A convolution with weight (out, in / groups, *kernel), bias (out,), and its adjoint."""

    def __init__(self, op: LinearOp, weights: Weights, stencil: Stencil) -> None:
        super().__init__(op, {name: weight.detach() for name, weight in weights.items()})
        self.bias = self.weights.get("bias")
        self.stencil = stencil
        self.unread = stencil.unread(op.in_shape[1:])

    @cached_property
    def weight(self) -> Tensor:
        """The weight in the layout of its input."""
        return channels_last(self.weights["weight"])

    def __call__(self, x: Tensor) -> Tensor:
        return self._convolve(x, self.bias)

    def tangent(self, x: Tensor) -> Tensor:
        return self._convolve(x, None)

    def adjoint(self, y: Tensor) -> Tensor:
        s = self.stencil
        return F.conv_transpose2d(
            y, self.weight, None, s.stride, s.padding, self.unread, s.groups, s.dilation
        )

    def adjoint_onto(self, y: Tensor, base: Tensor) -> Tensor:
        """``base`` plus the adjoint of ``y``, as a new tensor."""
        return self.adjoint(y).add_(base)

    def _convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        s = self.stencil
        return conv2d(x, self.weight, bias, s.stride, s.padding, s.dilation, s.groups)


class PackedConvolution(Convolution):
    """A convolution with weights packed for oneDNN, for ``batch`` inputs."""

    def __init__(self, op: LinearOp, weights: Weights, stencil: Stencil, batch: int) -> None:
        super().__init__(op, weights, stencil)
        weight = self.weights["weight"]
        self._forward = _Packed(weight, stencil, (batch, *op.in_shape))
        self._adjoint: _Packed | _Interleaved | None = None
        behind = (batch, *op.out_shape)
        reach = list(zip(stencil.span, stencil.padding, strict=True))
        if max(stencil.stride) > 1 and _Interleaved.fits(stencil, self.unread):
            self._adjoint = _Interleaved(weight, stencil, op.in_shape[1:], behind)
        elif max(stencil.stride) == 1 and all(span > padding for span, padding in reach):
            # Then the transpose is a convolution too, with flipped weights.
            around = stencil._replace(padding=tuple(s - 1 - p for s, p in reach))
            self._adjoint = _Packed(_flipped(weight, stencil.groups), around, behind)

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

    def __init__(self, weight: Tensor, stencil: Stencil, in_shape: tuple[int, ...]) -> None:
        self._where = stencil.padding, stencil.stride, stencil.dilation, stencil.groups
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(
            weight, *self._where, list(in_shape)
        )

    def __call__(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return torch.ops.mkldnn._convolution_pointwise(
            channels_last(x), self._weight, bias, *self._where, "none", [], ""
        )

    def onto(self, x: Tensor, base: Tensor) -> Tensor:
        return torch.ops.mkldnn._convolution_pointwise.binary(
            channels_last(x), base, self._weight, None, *self._where, "add", 1.0, None, [], None
        )


class _Interleaved:
    """The adjoint of a strided convolution by one convolution that is not strided.

    With stride s, output rows ``q = s a + r`` of one remainder r use only every s-th row of the
    kernel: ``z[q] = sum over t of y[a - t] w[s t + r]``. Columns likewise. One convolution
    with the parts of the kernel gives the images of all remainders, which are then interleaved
    and cut to size (Shi et al. 2016, sub-pixel convolution). It multiplies no zeros.
    """

    def __init__(
        self, weight: Tensor, stencil: Stencil, image: tuple[int, ...], behind: tuple[int, ...]
    ) -> None:
        out, channels = weight.shape[:2]
        taps, room = _parts(stencil)
        s, t = stencil.stride, taps
        self._stride, self._image, self._padding = s, image, stencil.padding
        self._grid = [size + n - 1 for size, n in zip(behind[2:], taps, strict=True)]
        filled = F.pad(weight, (0, room[1], 0, room[0]))
        parts = filled.view(out, channels, t[0], s[0], t[1], s[1]).permute(3, 5, 1, 0, 2, 4)
        # Flipped once its taps are neighbours in memory, which is faster.
        kernel = parts.reshape(s[0] * s[1] * channels, out, *taps).flip(2, 3)
        around = Stencil.of(2, taps, padding=[n - 1 for n in taps])
        self._convolution = _Packed(kernel, around, behind)

    @staticmethod
    def fits(stencil: Stencil, unread: list[int]) -> bool:
        """Whether this form gives all rows of the input, including those that are never read."""
        room = _parts(stencil)[1]
        whole = all(
            rest <= more + padding
            for rest, more, padding in zip(unread, room, stencil.padding, strict=True)
        )
        return stencil.groups == max(stencil.dilation) == 1 and whole

    def __call__(self, y: Tensor, bias: None) -> Tensor:
        return self._interleaved(y).contiguous(memory_format=torch.channels_last)

    def onto(self, y: Tensor, base: Tensor) -> Tensor:
        return base + self._interleaved(y)

    def _interleaved(self, y: Tensor) -> Tensor:
        s, p, (rows, columns) = self._stride, self._padding, self._grid
        parts = self._convolution(y, None).permute(0, 2, 3, 1).unflatten(3, (*s, -1))
        whole = parts.permute(0, 1, 3, 2, 4, 5).reshape(len(y), s[0] * rows, s[1] * columns, -1)
        height, width = self._image
        return whole[:, p[0] : p[0] + height, p[1] : p[1] + width].permute(0, 3, 1, 2)


def _parts(stencil: Stencil) -> tuple[list[int], list[int]]:
    """Taps of a part of the kernel along each axis, and the padding that completes the parts."""
    sides = list(zip(stencil.kernel, stencil.stride, strict=True))
    taps = [-(-kernel // stride) for kernel, stride in sides]
    return taps, [n * stride - kernel for n, (kernel, stride) in zip(taps, sides, strict=True)]


def convolution(op: LinearOp, weights: Weights, stencil: Stencil, batch: int) -> Convolution:
    """The fastest available form of the convolution ``op`` for ``batch`` inputs."""
    # The packed operator takes a single channel as channels-last: see layout.conv2d.
    if packs(weights["weight"]) and len(set(stencil.stride)) == 1:
        return PackedConvolution(op, weights, stencil, batch)
    return Convolution(op, weights, stencil)


class DenseOnImages(BoundOp):
    """A matrix applied to images in the order in which they are stored."""

    def __init__(self, op: LinearOp, weights: Weights) -> None:
        super().__init__(op, {name: weight.detach() for name, weight in weights.items()})
        self._bias = self.weights.get("bias")

    @cached_property
    def _as_given(self) -> Tensor:
        return self.weights["weight"]

    @cached_property
    def _channels_last(self) -> Tensor:
        images = self._as_given.unflatten(1, self.op.in_shape)
        return images.permute(0, 2, 3, 1).flatten(1).contiguous()

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(flat(x), self._weight(x), self._bias)

    def tangent(self, x: Tensor) -> Tensor:
        return F.linear(flat(x), self._weight(x))

    def adjoint(self, y: Tensor) -> Tensor:
        like = channels_last(y.new_empty(0, *self.op.in_shape))
        return unflat(y @ self._weight(like), like)

    def adjoint_onto(self, y: Tensor, base: Tensor) -> Tensor:
        return unflat(torch.addmm(flat(base), y, self._weight(base)), base)

    def _weight(self, images: Tensor) -> Tensor:
        return self._channels_last if is_channels_last(images) else self._as_given


def packs(weight: Tensor) -> bool:
    """Whether oneDNN's packed convolutions are available for ``weight``."""
    return (
        weight.device.type == "cpu"
        and weight.dtype in PACKED_DTYPES
        and torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and _packing_works()
    )


class _Probe(LinearOp):
    """A convolution from 3 to 2 channels on 4 x 4 pixels, to test the packed operators."""

    in_shape, out_shape = (3, 4, 4), (2, 4, 4)

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        return F.conv2d(x, weights["weight"], None, 1, 1)


@cache
def _packing_works() -> bool:
    """Whether this installation's packed operators exist and give PyTorch's own result."""
    stencil = Stencil.of(2, 3, padding=1)
    ones = [torch.ones(shape) for shape in ((2, 3, 3, 3), (2,), (1, 3, 4, 4), (1, 2, 4, 4))]
    weight, bias, x, y = ones
    op, weights = _Probe(), {"weight": weight, "bias": bias}
    with torch.no_grad():
        plain = Convolution(op, weights, stencil)
        try:
            packed = PackedConvolution(op, weights, stencil, 1)
            pairs = (packed(x), plain(x)), (packed.adjoint_onto(y, x), plain.adjoint_onto(y, x))
        except (AttributeError, RuntimeError, TypeError):
            return False
        return all(torch.allclose(found, expected) for found, expected in pairs)


def _flipped(weight: Tensor, groups: int) -> Tensor:
    """(out, in / groups, k, k) to the weight (in, out / groups, k, k) of the adjoint."""
    outer, inner, *window = weight.shape
    split = weight.reshape(groups, outer // groups, inner, *window).transpose(1, 2)
    return split.reshape(groups * inner, outer // groups, *window).flip(2, 3).contiguous()
