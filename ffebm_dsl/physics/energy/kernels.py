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

from ffebm_dsl.physics.interfaces import BoundOp, LinearOp, Weights
from ffebm_dsl.physics.layout import channels_last

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


class Convolution(BoundOp):
    """``conv2d`` with weight (out, in / groups, k, k), bias (out,), and its adjoint."""

    def __init__(self, op: LinearOp, weights: Weights, geometry: Geometry) -> None:
        super().__init__(op, {name: weight.detach() for name, weight in weights.items()})
        self.bias = self.weights.get("bias")
        self.geometry = geometry

    @cached_property
    def weight(self) -> Tensor:
        """In the layout of what it meets."""
        return channels_last(self.weights["weight"])

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
    """The same with weights packed for oneDNN, for ``batch`` inputs."""

    def __init__(self, op: LinearOp, weights: Weights, geometry: Geometry, batch: int) -> None:
        super().__init__(op, weights, geometry)
        g, weight, in_shape = geometry, self.weights["weight"], op.in_shape
        self._forward = _Packed(weight, g, g.padding, (batch, *in_shape))
        self._adjoint: _Packed | None = None
        reach = g.dilation * (weight.shape[-1] - 1)
        if g.stride == 1 and reach >= g.padding:
            # Then the transpose is a convolution too, with flipped weights.
            sizes = [size + 2 * g.padding - reach for size in in_shape[1:]]
            self._adjoint = _Packed(
                _flipped(weight, g.groups), g, reach - g.padding, (batch, len(weight), *sizes)
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


def convolution(op: LinearOp, weights: Weights, geometry: Geometry, batch: int) -> Convolution:
    """The fastest form at hand of the convolution ``op`` for ``batch`` inputs."""
    if packs(weights["weight"]):
        return PackedConvolution(op, weights, geometry, batch)
    return Convolution(op, weights, geometry)


def packs(weight: Tensor) -> bool:
    """Whether oneDNN's packed convolutions are to be had for ``weight``."""
    return (
        weight.device.type == "cpu"
        and weight.dtype in PACKED_DTYPES
        and torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and _packing_works()
    )


class _Probe(LinearOp):
    """A convolution of 3 channels of 4 x 4 to 2, for its shapes alone."""

    in_shape, out_shape = (3, 4, 4), (2, 4, 4)

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        return F.conv2d(x, weights["weight"], None, 1, 1)


@cache
def _packing_works() -> bool:
    """Whether this installation's packed operators exist and give PyTorch's own result."""
    geometry = Geometry(1, 1, 1, 1, (0, 0))
    ones = [torch.ones(shape) for shape in ((2, 3, 3, 3), (2,), (1, 3, 4, 4), (1, 2, 4, 4))]
    weight, bias, x, y = ones
    op, weights = _Probe(), {"weight": weight, "bias": bias}
    with torch.no_grad():
        plain = Convolution(op, weights, geometry)
        try:
            packed = PackedConvolution(op, weights, geometry, 1)
            pairs = (packed(x), plain(x)), (packed.adjoint_onto(y, x), plain.adjoint_onto(y, x))
        except (AttributeError, RuntimeError, TypeError):
            return False
        return all(torch.allclose(found, expected) for found, expected in pairs)


def _flipped(weight: Tensor, groups: int) -> Tensor:
    """(out, in / groups, k, k) to the weight (in, out / groups, k, k) of the adjoint."""
    outer, inner, *window = weight.shape
    split = weight.reshape(groups, outer // groups, inner, *window).transpose(1, 2)
    return split.reshape(groups * inner, outer // groups, *window).flip(2, 3).contiguous()
