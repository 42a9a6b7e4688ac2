"""``softmax_pool2d``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._window import POOLING, OverWindows, pool_shape, window_of_one
from ffebm_dsl.language.registry import Kind, OpConstruct, OpIR, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE
from ffebm_dsl.physics.complex_functions import exp
from ffebm_dsl.physics.interfaces import NonlinearOp

if TYPE_CHECKING:
    from torch import Tensor, nn


class SoftmaxPool2d(OverWindows, NonlinearOp):
    """``softmax_pool2d``: with the shares ``p`` of a window's entries ``z`` its result is
    ``y = <p, z>``, and the derivative of that by ``z_n`` is ``p_n (1 + (z_n - y) / T)``."""

    holomorphic = True

    def __init__(
        self,
        in_shape: Sequence[int],
        kernel: int | Sequence[int],
        *,
        stride: int | Sequence[int],
        padding: int | Sequence[int] = 0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__(in_shape, kernel, stride=stride, padding=padding)
        self._temperature = temperature

    def forward(self, x: Tensor) -> Tensor:
        z = self._entries(x)
        return (self._shares(z) * z).sum(0)

    def tangent(self, dx: Tensor, x: Tensor) -> Tensor:
        return (self._slopes(x) * self._entries(dx)).sum(0)

    def adjoint(self, y: Tensor, x: Tensor) -> Tensor:
        moved = self._slopes(x) * y
        (channels, rows, columns), (above, left) = self.in_shape, self._window.padding
        total = y.new_zeros(y.shape[0], channels, rows + 2 * above, columns + 2 * left)
        for (here, there), part in zip(self._places(), moved, strict=True):
            total[:, :, here, there] += part
        return total[:, :, above : above + rows, left : left + columns]

    def _slopes(self, x: Tensor) -> Tensor:
        z = self._entries(x)
        shares = self._shares(z)
        return shares * (1 + (z - (shares * z).sum(0)) / self._temperature)

    def _shares(self, z: Tensor) -> Tensor:
        """The softmax over the entries of each window; padding has no share."""
        import torch

        if not any(self._window.padding):
            # The largest entry is subtracted, which changes no share, so that none overflows.
            weights = exp((z - z.detach().real.amax(0)) / self._temperature)
            return weights / weights.sum(0)
        inside = self._inside(z)
        largest = z.detach().real.masked_fill(~inside, -torch.inf).amax(0)
        weights = exp(torch.where(inside, (z - largest) / self._temperature, 0)) * inside
        return weights / weights.sum(0)

    def _inside(self, like: Tensor) -> Tensor:
        """Mask of the entries of the windows that are not padding."""
        import torch

        ones = torch.ones(1, 1, *self.in_shape[1:], device=like.device)
        return self._entries(ones) > 0

    def _entries(self, x: Tensor) -> Tensor:
        """The entries of all windows, (kernel^2, B, *out_shape)."""
        import torch

        rows, columns = self._window.padding
        padded = torch.nn.functional.pad(x, [columns, columns, rows, rows])
        return torch.stack([padded[:, :, here, there] for here, there in self._places()])

    def _places(self) -> list[tuple[slice, slice]]:
        """Slices of the padded input, one for each entry of the window."""
        rows, columns = (
            [slice(i, i + stride * (places - 1) + 1, stride) for i in range(kernel)]
            for kernel, stride, places in zip(
                self._window.kernel, self._window.stride, self.out_shape[1:], strict=True
            )
        )
        return list(product(rows, columns))


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    pooling = _coupling(op)

    class SoftmaxPool(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return pooling.forward(x)

    return SoftmaxPool()


def _coupling(op: OpIR) -> SoftmaxPool2d:
    return SoftmaxPool2d(op.in_shape, **op.arguments)


TEMPERATURE = Parameter(
    "temperature", Kind.REAL, "T: near 0 the largest entry counts alone", 1.0, POSITIVE
)

CONSTRUCT = OpConstruct(
    "softmax_pool2d",
    "mean of each window, weighted by the softmax of its entries",
    (*POOLING, TEMPERATURE),
    equation="y[c,i,j] = sum over k,l of z[k,l] exp(z[k,l] / T) / sum over k,l of exp(z[k,l] / T), "
    "z[k,l] = x[c, s i + k - p, s j + l - p], padding left out",
    source="Stergiou et al. 2021 (ICCV), arXiv 2101.00440; in holomorphic EP: Laborieux and Zenke "
    "2022, arXiv 2209.00530",
    module=_module,
    coupling=_coupling,
    shape=pool_shape("softmax_pool2d"),
    role="pooling",
    does_nothing=window_of_one,
    nonlinear=True,
    holomorphic=True,
)
