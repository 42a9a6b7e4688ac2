"""Products with weights in a lower precision, as increments from products in full precision.

A relaxation spends its time on products with weights. In TF32 or bfloat16 a device may make
them several times faster, and rounds operands by up to a relative 2^-11 or 2^-8. Of a whole
state that would be too much: the two nudged phases of EP differ by a small multiple of beta,
and rounding would drown it. But a product is linear. With a state ``a`` at which it is known
in full, ``W x = W a + W (x - a)``, and only the increment is multiplied in low precision: the
error is relative to how far the state has moved, not to the state. Everything else - states,
sums, activations, poolings, stopping tests - stays in the network's own precision.

A device that does not multiply in a format imitates it: operands are rounded to it (to
nearest, ties to even) and multiplied in float32, whose sums both formats have. That gives the
rounding without the speed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import torch
from torch import Tensor

from ffebm_dsl.physics.energy.kernels import take_rows


class Precision(StrEnum):
    """In which format a relaxation multiplies by its weights; values are the words of a spec."""

    FULL = "full"
    """The network's own."""
    TF32 = "tf32"
    BF16 = "bf16"

    @property
    def roundoff(self) -> float:
        """The largest relative error of rounding to the format; 0 for the network's own."""
        return {"full": 0.0, "tf32": 2.0**-11, "bf16": 2.0**-8}[self.value]


class Product(Protocol):
    """A linear op by a weight, and its transpose."""

    def tangent(self, x: Tensor) -> Tensor: ...

    def adjoint(self, y: Tensor) -> Tensor: ...


class Affine(Product, Protocol):
    """The same with its bias, if it has one."""

    def __call__(self, x: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Format:
    """A lower precision on a device: how operands enter a product, and how it is taken.

    ``native`` says whether the device itself multiplies so.
    """

    precision: Precision
    native: bool

    @classmethod
    def on(cls, device: torch.device, precision: Precision) -> Format:
        return cls(precision, multiplies(device, precision))

    def rounded(self, x: Tensor) -> Tensor:
        """The operand (float32) as it enters a product."""
        if self.precision is Precision.BF16:
            low = x.to(torch.bfloat16)
            return low if self.native else low.to(x.dtype)
        return x if self.native else _tf32(x)

    def product(self, low: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """The linear ``low``, whose weight is rounded, of ``x`` (float32)."""
        with _cuda_products("tf32", self.native and self.precision is Precision.TF32):
            y = low(self.rounded(x))
        if self.precision is Precision.BF16:
            # In bfloat16 a device gives results in it too.
            y = y.to(torch.bfloat16)
        return y.to(x.dtype)


class Lowered:
    """An op with a weight whose products are increments in a lower precision.

    The first product of each kind is taken in full; what it was taken of, and its result,
    are kept for all that follow. ``low`` has the rounded weight, and no bias.
    """

    def __init__(self, full: Affine, low: Product, number_format: Format) -> None:
        self._full, self._low, self._format = full, low, number_format
        self._known: dict[str, tuple[Tensor, Tensor]] = {}

    def __call__(self, x: Tensor) -> Tensor:
        return self._increment("forward", self._full, self._low.tangent, x)

    def tangent(self, x: Tensor) -> Tensor:
        return self._increment("tangent", self._full.tangent, self._low.tangent, x)

    def adjoint(self, y: Tensor) -> Tensor:
        return self._increment("adjoint", self._full.adjoint, self._low.adjoint, y)

    def select(self, rows: Tensor) -> Lowered:
        """The same for these samples of the batch alone."""
        part = copy.copy(self)
        part._known = {
            use: (take_rows(at, rows), take_rows(value, rows))
            for use, (at, value) in self._known.items()
        }
        return part

    def _increment(
        self,
        use: str,
        full: Callable[[Tensor], Tensor],
        low: Callable[[Tensor], Tensor],
        x: Tensor,
    ) -> Tensor:
        if use not in self._known:
            self._known[use] = x, full(x)
            return self._known[use][1]
        at, value = self._known[use]
        return value + self._format.product(low, x - at)


def multiplies(device: torch.device, precision: Precision) -> bool:
    """Whether the device itself multiplies in the format."""
    if precision is Precision.FULL:
        return True
    if device.type == "cuda" and torch.version.cuda is not None:
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu" and precision is Precision.BF16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False


@contextmanager
def full_products(device: torch.device) -> Iterator[None]:
    """Within it float32 products are float32, whatever PyTorch is set to.

    PyTorch lets convolutions on CUDA use TF32 unless it is told otherwise.
    """
    with _cuda_products("ieee", device.type == "cuda"):
        yield


@contextmanager
def _cuda_products(how: str, applies: bool) -> Iterator[None]:
    """PyTorch's setting for float32 products on CUDA, for a while."""
    if not applies:
        yield
        return
    switches = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    before = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = how
        yield
    finally:
        for switch, setting in zip(switches, before, strict=True):
            switch.fp32_precision = setting


_TF32_DROPPED = 13
"""Bits of a float32's significand that TF32 does not have."""


def _tf32(x: Tensor) -> Tensor:
    """float32 rounded to TF32, to nearest, ties to even; infinities and NaN stay what they are."""
    bits = x.view(torch.int32)
    odd = (bits >> _TF32_DROPPED) & 1
    kept = (bits + ((1 << (_TF32_DROPPED - 1)) - 1) + odd) & -(1 << _TF32_DROPPED)
    return torch.where(x.isfinite(), kept.view(torch.float32), x)
