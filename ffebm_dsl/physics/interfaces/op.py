"""Ops of couplings: maps with their transposes, without weights of their own.

An op is a value that knows its shapes and its arguments and takes its weights as an
argument. The same op therefore serves a parameter, the output of a parametrisation, a weight
with an autograd graph and one without. Most ops are linear. A *routed* op is linear once its
choice of inputs, its routing, is fixed; max pooling is one. A *nonlinear* op has a Jacobian at
every input; softmax pooling is one.

Shapes: ``x`` is (B, *in_shape), ``y`` is (B, *out_shape); ``weights`` maps a weight's name
to its tensor.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Weights: TypeAlias = "Mapping[str, Tensor]"


class Stencil(NamedTuple):
    """A window that moves over an image or along a sequence, with zero padding.

    All but ``groups`` have an entry for each axis.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1

    @classmethod
    def of(
        cls,
        axes: int,
        kernel: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> Stencil:
        """A stencil of ``axes`` axes; an int is the entry of every axis."""

        def each(value: int | Sequence[int]) -> tuple[int, ...]:
            return (value,) * axes if isinstance(value, int) else tuple(value)

        return cls(each(kernel), each(stride), each(padding), each(dilation), groups)

    @property
    def taps(self) -> int:
        """The number of entries of the window."""
        return prod(self.kernel)

    @property
    def span(self) -> tuple[int, ...]:
        """The extent of the window along each axis."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True))

    def places(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Number of positions of the window along each axis; 0 or less if it does not fit."""
        rooms = zip(self._rooms(sizes), self.stride, strict=True)
        return tuple(room // stride + 1 for room, stride in rooms)

    def unread(self, sizes: Sequence[int]) -> list[int]:
        """Number of entries at the end of each axis that a stride never reads.

        The transpose must restore them.
        """
        rooms = zip(self._rooms(sizes), self.stride, strict=True)
        return [room % stride for room, stride in rooms]

    def _rooms(self, sizes: Sequence[int]) -> list[int]:
        sides = zip(sizes, self.padding, self.span, strict=True)
        return [size + 2 * padding - span for size, padding, span in sides]


def show_sizes(sizes: Sequence[int]) -> str:
    """Sizes as a spec writes them: one number if it is the same for every axis."""
    return str(sizes[0] if len({*sizes}) == 1 else [*sizes])


class LinearOp(ABC):
    """A linear op between known shapes; a weight called ``bias`` makes it affine.

    A subclass gives :meth:`tangent`. The transpose and the gradient of the weights follow
    from it by automatic differentiation; a subclass may override them by faster ones, which
    ``ffebm check`` compares with those of ``tangent``.
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
        """The op as a convolution, if it is one, so that it can be composed with others."""
        return None

    def kernel(self, weights: Weights) -> Tensor:
        """The kernel of :meth:`stencil`, (out channels, in channels / groups, *kernel).

        Its dtype and device do not matter if the op has no weights.
        """
        raise NotImplementedError(f"{type(self).__name__} is no convolution")

    @property
    def reshapes(self) -> bool:
        """Whether the op only reshapes its input, in row-major order."""
        return False

    def matrix(self, weights: Weights) -> Tensor | None:
        """The weight as a matrix (out, in), if the op multiplies vectors by one."""
        return None

    def packed(self, weights: Weights, batch: int) -> BoundOp:
        """The op with these weights prepared for sweeps of ``batch`` samples, without autograd."""
        return BoundOp(self, weights)


class RoutedOp(ABC):
    """An op without weights that is linear once its choice of inputs is fixed."""

    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The result and the routing, (B, *out_shape) int64."""

    @abstractmethod
    def tangent(self, x: Tensor, routing: Tensor) -> Tensor:
        """The result under a given routing."""

    @abstractmethod
    def adjoint(self, y: Tensor, routing: Tensor, out: Tensor | None = None) -> Tensor:
        """``y`` scattered by ``routing``; into ``out``, (B, *in_shape), if given."""


class NonlinearOp(ABC):
    """A smooth op without weights, with Jacobian ``J(x)``.

    A subclass gives :meth:`forward`, in operations of PyTorch that have second derivatives. The
    other methods follow from it by automatic differentiation; a subclass may override them by
    faster ones that are differentiable too, and ``ffebm check`` compares both.

    Attributes:
        holomorphic: whether it also takes complex tensors, as a holomorphic function. Its
            derivatives then do not conjugate.
    """

    holomorphic: ClassVar[bool] = False
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """(B, *in_shape) to (B, *out_shape)."""

    def tangent(self, dx: Tensor, x: Tensor) -> Tensor:
        """``J(x) dx``."""
        # The transpose of the adjoint, which is linear in what it is given.
        y = x.new_zeros(x.shape[0], *self.out_shape).requires_grad_()
        return _pulled_back(lambda: self.adjoint(y, x), y, dx, graph=_recorded(dx, x))

    def adjoint(self, y: Tensor, x: Tensor) -> Tensor:
        """``J(x)^T y``."""
        at = x if x.requires_grad else x.detach().requires_grad_()
        return _pulled_back(lambda: self.forward(at), at, y, graph=_recorded(y, x))

    def hvp(self, dx: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """The Hessian of ``<forward(x), y>`` by x, times ``dx``; without a graph."""
        at = x.detach().requires_grad_()
        return _pulled_back(lambda: self.adjoint(y, at), at, dx, graph=False)


def _recorded(*tensors: Tensor) -> bool:
    """Whether autograd records operations on these tensors."""
    import torch

    return torch.is_grad_enabled() and any(x.requires_grad for x in tensors)


def _pulled_back(make: Callable[[], Tensor], x: Tensor, y: Tensor, *, graph: bool) -> Tensor:
    """The transpose of the derivative of ``make()`` by ``x``, times ``y``; nothing conjugated."""
    import torch

    with torch.enable_grad():
        out = make()
        if not out.requires_grad:
            return torch.zeros_like(x)
        # For complex tensors autograd multiplies by the conjugate transpose.
        (found,) = torch.autograd.grad(
            out, x, y.conj(), create_graph=graph, allow_unused=True, materialize_grads=True
        )
    return found.conj().resolve_conj()


CouplingOp: TypeAlias = LinearOp | RoutedOp | NonlinearOp


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
