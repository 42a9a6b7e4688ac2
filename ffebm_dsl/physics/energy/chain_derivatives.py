"""Values and derivatives of a chain of ops, op by op.

Most ops are linear. The derivatives of the others are taken at a *point*: the routing of a routed
op, the input of a nonlinear one. The points of a chain are in the order of its ops.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ffebm_dsl.physics.interfaces import BoundOp, NonlinearOp, RoutedOp, Routing

Bound = BoundOp | RoutedOp | NonlinearOp
"""An op of a chain, with its weights if it has any."""

Points = tuple[Tensor, ...]


def forward(ops: Sequence[Bound], a: Tensor, routing: Routing | None) -> tuple[Tensor, Points]:
    """The output of the ops for ``a``, and the points; under ``routing``, if given."""
    points: list[Tensor] = []
    kept = iter(routing or ())
    for op in ops:
        if not isinstance(op, RoutedOp):
            points += [a] if isinstance(op, NonlinearOp) else []
            a = _value(op, a)
        elif routing is None:
            a, choice = op.forward(a)
            points.append(choice)
        else:
            points.append(next(kept))
            a = op.tangent(a, points[-1])
    return a, tuple(points)


def _value(op: BoundOp | NonlinearOp, a: Tensor) -> Tensor:
    return op(a) if isinstance(op, BoundOp) else op.forward(a)


def routing_of(ops: Sequence[Bound], points: Points) -> Routing:
    """The routings among the points."""
    return tuple(point for k, point in _by_op(ops, points).items() if isinstance(ops[k], RoutedOp))


def tangent(op: Bound, dx: Tensor, point: Tensor | None) -> Tensor:
    """The derivative of one op in direction ``dx``."""
    if isinstance(op, BoundOp):
        return op.tangent(dx)
    assert point is not None
    return op.tangent(dx, point)


def adjoint(op: Bound, y: Tensor, point: Tensor | None) -> Tensor:
    """The transpose of that derivative, times ``y``."""
    if isinstance(op, BoundOp):
        return op.adjoint(y)
    assert point is not None
    return op.adjoint(y, point)


def inputs(ops: Sequence[Bound], a: Tensor, routing: Routing) -> tuple[dict[int, Tensor], Points]:
    """The inputs of the ops that need them (:func:`_matters`) for ``a``, and the points."""
    found: dict[int, Tensor] = {}
    points: list[Tensor] = []
    matters, kept = _matters(ops), iter(routing)
    for k, op in enumerate(ops):
        if k in matters:
            found[k] = a
        if isinstance(op, RoutedOp):
            points.append(next(kept))
        elif isinstance(op, NonlinearOp):
            points.append(a)
        if matters and k < matters[-1]:
            a = op.tangent(a, points[-1]) if isinstance(op, RoutedOp) else _value(op, a)
    return found, tuple(points)


def tangents(ops: Sequence[Bound], da: Tensor, points: Points) -> dict[int, Tensor]:
    """The inputs of those ops for a direction ``da``, by the derivatives of the ops."""
    found: dict[int, Tensor] = {}
    matters, at = _matters(ops), _by_op(ops, points)
    for k in range(max(matters, default=-1) + 1):
        if k in matters:
            found[k] = da
        if k < matters[-1]:
            da = tangent(ops[k], da, at.get(k))
    return found


def adjoints(ops: Sequence[Bound], b: Tensor, points: Points) -> dict[int, Tensor]:
    """The cotangents of the outputs of those ops for a cotangent ``b`` of the chain."""
    found: dict[int, Tensor] = {}
    matters, at = _matters(ops), _by_op(ops, points)
    for k in reversed(range(min(matters, default=len(ops)), len(ops))):
        if k in matters:
            found[k] = b
        if k > matters[0]:
            b = adjoint(ops[k], b, at.get(k))
    return found


def second_order(
    ops: Sequence[Bound],
    entering: dict[int, Tensor],
    leaving: dict[int, Tensor],
    points: Points,
) -> tuple[dict[int, Tensor], Tensor | None]:
    """The gradient of ``<J(a) da, b>`` by ``a``, which is zero where no op is nonlinear.

    Args:
        ops: the chain with Jacobian J.
        entering: input of each op for ``da``, from :func:`tangents`.
        leaving: cotangent of the output of each op for ``b``, from :func:`adjoints`.
        points: the points of ``a``.

    Returns:
        The cotangents of the outputs of the ops, and that of ``a``; zeros are left out, or None.
    """
    found: dict[int, Tensor] = {}
    total: Tensor | None = None
    at = _by_op(ops, points)
    for k in reversed(range(len(ops))):
        op = ops[k]
        if total is not None:
            found[k] = total
            total = adjoint(op, total, at.get(k))
        if isinstance(op, NonlinearOp):
            own = op.hvp(entering[k], leaving[k], at[k])
            total = own if total is None else total + own
    return found, total


def _matters(ops: Sequence[Bound]) -> list[int]:
    """The ops whose inputs gradients need: those with weights, and nonlinear ones."""
    return [
        k
        for k, op in enumerate(ops)
        if isinstance(op, NonlinearOp) or (isinstance(op, BoundOp) and op.weights)
    ]


def _by_op(ops: Sequence[Bound], points: Points) -> dict[int, Tensor]:
    """The points by the indices of their ops."""
    pointed = (k for k, op in enumerate(ops) if not isinstance(op, BoundOp))
    return dict(zip(pointed, points, strict=True))
