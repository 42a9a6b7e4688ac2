"""What ops of couplings promise, compared with what they do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Generator, Tensor

from ffebm_dsl.physics.interfaces import CouplingOp, LinearOp, NonlinearOp, RoutedOp, inner
from ffebm_dsl.tools.checking.promises import (
    BATCH,
    CONDITIONED,
    Promise,
    compared,
    gradient,
    normal,
)


def op_promises(
    op: CouplingOp, weights: Mapping[str, Tensor], generator: Generator
) -> Iterator[Promise]:
    """An op of a coupling or a drive, and its transpose, are one map.

    ``weights`` are those of a linear op, by name, in float64.
    """
    x, other = (normal(generator, BATCH, *op.in_shape) for _ in range(2))
    y = normal(generator, BATCH, *op.out_shape)

    def result() -> Tensor:
        if isinstance(op, LinearOp):
            return op.forward(x, weights)
        return op.forward(x) if isinstance(op, NonlinearOp) else op.forward(x)[0]

    first = compared(
        "the result has the shape `out_shape`",
        lambda: (torch.zeros_like(result()), torch.zeros_like(y)),
    )
    yield first
    if not first.kept:
        return  # Nothing else can be compared.
    if isinstance(op, RoutedOp):
        yield from _routed_promises(op, x, other, y)
        return
    if isinstance(op, NonlinearOp):
        yield from _nonlinear_promises(op, x, other, y)
        return
    yield from _linear_promises(op, weights, x, other, y)
    yield from _packed_promises(op, weights, x, other, y)
    for name in weights:
        yield from _weight_promises(op, weights, name, x, y)


def _transposed(
    tangent: Callable[[], Tensor], y: Tensor, x: Tensor, adjoint: Callable[[], Tensor]
) -> Promise:
    return compared(
        "the adjoint is the transpose of the tangent",
        lambda: (inner(x, adjoint()), inner(tangent(), y)),
        scale=lambda: float((_norms(tangent()) * _norms(y)).max()),
    )


def _norms(x: Tensor) -> Tensor:
    return x.flatten(1).norm(dim=1)


def _linear_promises(
    op: LinearOp, weights: Mapping[str, Tensor], x: Tensor, other: Tensor, y: Tensor
) -> Iterator[Promise]:
    def tangent(a: Tensor) -> Tensor:
        return op.tangent(a, weights)

    def forward(a: Tensor) -> Tensor:
        return op.forward(a, weights)

    yield _transposed(lambda: tangent(x), y, x, lambda: op.adjoint(y, weights))
    yield compared(
        "the tangent is linear",
        lambda: (tangent(2 * x - 3 * other), 2 * tangent(x) - 3 * tangent(other)),
    )
    yield compared(
        "the forward pass is the tangent plus a bias",
        lambda: (forward(x), tangent(x) + forward(torch.zeros_like(x))),
    )
    yield compared(
        "a sample's result does not depend on the others",
        lambda: (forward(x[:1]), forward(x)[:1]),
    )


def _packed_promises(
    op: LinearOp, weights: Mapping[str, Tensor], x: Tensor, base: Tensor, y: Tensor
) -> Iterator[Promise]:
    """The op made ready for sweeps does what the plain one does."""
    pairs: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
        "forward pass": lambda: (op.packed(weights, BATCH)(x), op.forward(x, weights)),
        "tangent": lambda: (op.packed(weights, BATCH).tangent(x), op.tangent(x, weights)),
        "adjoint": lambda: (op.packed(weights, BATCH).adjoint(y), op.adjoint(y, weights)),
        "adjoint onto a sum": lambda: (
            op.packed(weights, BATCH).adjoint_onto(y, base),
            base + op.adjoint(y, weights),
        ),
    }
    for what, pair in pairs.items():
        with torch.no_grad():
            promise = compared(f"the packed op has the same {what}", pair)
        yield promise


def _weight_promises(
    op: LinearOp, weights: Mapping[str, Tensor], name: str, x: Tensor, y: Tensor
) -> Iterator[Promise]:
    """Gradients by one weight, with autograd of the forward pass as reference."""

    def by_autograd(function: Callable[[Mapping[str, Tensor]], Tensor]) -> Tensor:
        return gradient(lambda w: function({**weights, name: w}), weights[name])

    def expected() -> Tensor:
        return by_autograd(lambda w: op.forward(x, w) * y)

    if name == "bias":
        yield compared(
            "bias_gradient() is the gradient of the forward pass",
            lambda: (op.bias_gradient(y), expected()),
        )
        return
    yield compared(
        f"weight_gradient() of `{name}` is the gradient of the forward pass",
        lambda: (op.weight_gradient(x, y, weights)[name], expected()),
    )
    yield compared(
        f"the tangent is differentiable by `{name}`",
        lambda: (by_autograd(lambda w: op.tangent(x, w) * y), expected()),
    )
    yield compared(
        f"the adjoint is differentiable by `{name}`",
        lambda: (by_autograd(lambda w: op.adjoint(y, w) * x), expected()),
    )


def _routed_promises(op: RoutedOp, x: Tensor, other: Tensor, y: Tensor) -> Iterator[Promise]:
    value, routing = op.forward(x)
    yield compared(
        "the tangent at its own routing is the forward pass",
        lambda: (op.tangent(x, routing), value),
        limit=1e-15,
    )
    yield _transposed(lambda: op.tangent(other, routing), y, other, lambda: op.adjoint(y, routing))
    yield compared(
        "the tangent is linear at a routing",
        lambda: (
            op.tangent(2 * x - 3 * other, routing),
            2 * op.tangent(x, routing) - 3 * op.tangent(other, routing),
        ),
    )
    yield compared(
        "the adjoint into a given tensor is the adjoint",
        lambda: (
            op.adjoint(y, routing, torch.full_like(x, math.nan)),
            op.adjoint(y, routing),
        ),
    )
    yield compared(
        "the adjoint is the gradient of the forward pass",
        lambda: (op.adjoint(y, routing), gradient(lambda a: op.forward(a)[0] * y, x)),
    )


def _nonlinear_promises(op: NonlinearOp, x: Tensor, dx: Tensor, y: Tensor) -> Iterator[Promise]:
    """The derivatives are those of the forward pass, and are differentiable themselves."""

    def second() -> Tensor:
        """The Hessian of ``<forward(x), y>`` times ``dx``, by autograd of the forward pass."""
        return torch.autograd.functional.hvp(lambda a: (op.forward(a) * y).sum(), x, dx)[1]

    yield compared(
        "a sample's result does not depend on the others",
        lambda: (op.forward(x[:1]), op.forward(x)[:1]),
    )
    yield compared(
        "the adjoint is the gradient of the forward pass",
        lambda: (op.adjoint(y, x), gradient(lambda a: op.forward(a) * y, x)),
    )
    yield _transposed(lambda: op.tangent(dx, x), y, dx, lambda: op.adjoint(y, x))
    pairs: dict[str, Callable[[], Tensor]] = {
        "hvp() is the second derivative": lambda: op.hvp(dx, y, x),
        "the derivative of the tangent is that": lambda: gradient(
            lambda a: op.tangent(dx, a) * y, x
        ),
        "the derivative of the adjoint is that": lambda: gradient(
            lambda a: op.adjoint(y, a) * dx, x
        ),
    }
    for text, found in pairs.items():
        yield compared(f"{text} of the forward pass", partial(_both, found, second), CONDITIONED)
    if op.holomorphic:
        yield from _continued_promises(op, x, dx, y)


def _continued_promises(op: NonlinearOp, x: Tensor, dx: Tensor, y: Tensor) -> Iterator[Promise]:
    """On complex tensors the op continues its values on real ones: by complex steps."""
    tiny, met = 1e-20, y + 0j
    z = torch.complex(x, tiny * dx)
    pairs: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
        "forward pass": lambda: (op.forward(z).imag / tiny, op.tangent(dx, x)),
        "tangent": lambda: (
            inner(op.tangent(dx + 0j, z).imag / tiny, y),
            inner(op.hvp(dx, y, x), dx),
        ),
        "adjoint": lambda: (op.adjoint(met, z).imag / tiny, op.hvp(dx, y, x)),
        "tangent of i times a direction": lambda: (
            op.tangent(1j * dx, x + 0j).imag,
            op.tangent(dx, x),
        ),
        "adjoint of i times a cotangent": lambda: (
            op.adjoint(1j * met, x + 0j).imag,
            op.adjoint(y, x),
        ),
        "hvp() of i times a direction": lambda: (
            op.hvp(1j * dx, met, x + 0j).imag,
            op.hvp(dx, y, x),
        ),
    }
    for what, pair in pairs.items():
        yield compared(f"the {what} on complex tensors conjugates nothing", pair, CONDITIONED)


def _both(found: Callable[[], Tensor], expected: Callable[[], Tensor]) -> tuple[Tensor, Tensor]:
    return found(), expected()
