"""What an op of a coupling offers: a linear map, its transpose, and nothing that it holds.

An op is a value: it knows its shapes and its arguments, and takes its weights as an
argument. So the same op serves a parameter, the output of a parametrisation, a weight with
a graph and one without. A *routed* op is linear once its choice of inputs, its routing, is
fixed; max pooling is one.

Shapes: ``x`` is (B, *in_shape), ``y`` is (B, *out_shape); ``weights`` maps a weight's name
to its tensor.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Weights: TypeAlias = "Mapping[str, Tensor]"


class Stencil(NamedTuple):
    """How an op that is a 2-d convolution moves its square kernel, zeros padded."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1

    @property
    def span(self) -> int:
        """Rows that the kernel reaches over."""
        return self.dilation * (self.kernel - 1) + 1

    def places(self, size: int) -> int:
        """Places of the kernel along a side."""
        return (size + 2 * self.padding - self.span) // self.stride + 1

    def unread(self, size: int) -> int:
        """Rows at the end that a stride never reads: the transpose must restore them."""
        return (size + 2 * self.padding - self.span) % self.stride


class LinearOp(ABC):
    """One linear op between known shapes; a weight called ``bias`` makes it affine.

    A subclass gives :meth:`tangent`. The transpose and the gradient of the weights follow
    from it by automatic differentiation; a subclass overrides them where it has something
    faster, and ``ffebm check`` compares them with what ``tangent`` says.
    """

    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each weight by name; a bias has one entry per output channel."""
        return {}

    def forward(self, x: Tensor, weights: Weights) -> Tensor:
        """``tangent(x)`` plus the bias, if there is one."""
        y, bias = self.tangent(x, weights), weights.get("bias")
        return y if bias is None else y + bias.view(-1, *[1] * (y.dim() - 2))

    @abstractmethod
    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        """The linear part: (B, *in_shape) to (B, *out_shape)."""

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        """The transpose of :meth:`tangent`: (B, *out_shape) to (B, *in_shape)."""
        import torch

        graph = torch.is_grad_enabled()
        with torch.enable_grad():
            x = y.new_zeros(len(y), *self.in_shape).requires_grad_()
            out = self.tangent(x, weights)
            (back,) = torch.autograd.grad(out, x, y, create_graph=graph)
        return back

    def weight_gradient(self, x: Tensor, y: Tensor, weights: Weights) -> dict[str, Tensor]:
        """``d <tangent(x), y> / d weight`` of every weight but the bias, summed over the batch."""
        import torch

        own = {k: w.detach().requires_grad_() for k, w in weights.items() if k != "bias"}
        if not own:
            return {}
        with torch.enable_grad():
            value = (self.tangent(x.detach(), own) * y.detach()).sum()
        return dict(zip(own, torch.autograd.grad(value, list(own.values())), strict=True))

    def bias_gradient(self, y: Tensor) -> Tensor:
        """``d <forward(x), y> / d bias``, summed over the batch: (channels,)."""
        return y.sum([0, *range(2, y.dim())])

    def stencil(self) -> Stencil | None:
        """The convolution that the op is, if it is one, so that it can be composed with others."""
        return None

    def kernel(self, weights: Weights) -> Tensor:
        """The kernel of :meth:`stencil`, (out channels, in channels / groups, k, k).

        Of what dtype and device it is does not matter where the op has no weights.
        """
        raise NotImplementedError(f"{type(self).__name__} is no convolution")

    @property
    def reshapes(self) -> bool:
        """Whether all that the op does is to give its input another shape, in row-major order."""
        return False

    def matrix(self, weights: Weights) -> Tensor | None:
        """The matrix of a map between vectors, (out, in), where the op holds it as one."""
        return None

    def packed(self, weights: Weights, batch: int) -> BoundOp:
        """The op with these weights made ready for the sweeps of ``batch`` samples, no graph."""
        return BoundOp(self, weights)


class RoutedOp(ABC):
    """An op without weights that is linear once its choice of inputs is fixed."""

    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The result and the routing that was taken, (B, *out_shape) int64."""

    @abstractmethod
    def tangent(self, x: Tensor, routing: Tensor) -> Tensor:
        """The result by a given routing instead of the one that ``x`` would take."""

    @abstractmethod
    def adjoint(self, y: Tensor, routing: Tensor, out: Tensor | None = None) -> Tensor:
        """``y`` put where ``routing`` says; into ``out``, (B, *in_shape), if given."""


CouplingOp: TypeAlias = LinearOp | RoutedOp


class BoundOp:
    """A linear op together with its weights."""

    def __init__(self, op: LinearOp, weights: Weights) -> None:
        self.op, self.weights = op, weights

    def __call__(self, x: Tensor) -> Tensor:
        return self.op.forward(x, self.weights)

    def tangent(self, x: Tensor) -> Tensor:
        return self.op.tangent(x, self.weights)

    def adjoint(self, y: Tensor) -> Tensor:
        return self.op.adjoint(y, self.weights)

    def adjoint_onto(self, y: Tensor, base: Tensor) -> Tensor:
        """``base`` plus the adjoint of ``y``, in a tensor of its own."""
        return base + self.adjoint(y)

    def weight_gradient(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """``d <tangent(x), y> / d weight`` of every weight but the bias, summed over the batch."""
        return self.op.weight_gradient(x, y, self.weights)

    def bias_gradient(self, y: Tensor) -> Tensor:
        """``d <forward(x), y> / d bias``, summed over the batch."""
        return self.op.bias_gradient(y)
