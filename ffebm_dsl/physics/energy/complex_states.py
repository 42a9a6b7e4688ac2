"""Phases with complex states: real ops on complex tensors, and their sweeps by any solver.

A linear op with real weights is applied to the real and to the imaginary part of a tensor, so
every such op works for complex states unchanged. Only activations and nonlinear ops compute in
complex arithmetic. Nothing is conjugated: transposes and products are those of the holomorphic
function phi.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ffebm_dsl.physics.energy.chain_derivatives import Bound
from ffebm_dsl.physics.interfaces import BoundOp, NonlinearOp, Routings, WrappedDynamics
from ffebm_dsl.physics.layout import channels_last


def parts(z: Tensor) -> tuple[Tensor, Tensor]:
    """The real and the imaginary part of ``z``, as new tensors in channels-last layout."""
    return channels_last(z.real.contiguous()), channels_last(z.imag.contiguous())


class ComplexOp(BoundOp):
    """A linear op with real weights on complex tensors."""

    def __init__(self, real: BoundOp) -> None:
        super().__init__(real.op, real.weights)
        self._real = real

    def __call__(self, x: Tensor) -> Tensor:
        a, b = parts(x)
        # A bias is real: the imaginary part has none.
        return torch.complex(self._real(a), self._real.tangent(b))

    def tangent(self, x: Tensor) -> Tensor:
        a, b = parts(x)
        return torch.complex(self._real.tangent(a), self._real.tangent(b))

    def adjoint(self, y: Tensor) -> Tensor:
        a, b = parts(y)
        return torch.complex(self._real.adjoint(a), self._real.adjoint(b))

    def weight_gradient(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """The real part of ``d <tangent(x), y> / d weight``, no factor conjugated."""
        (a, b), (c, d) = parts(x), parts(y)
        return self._real.weight_gradient(torch.cat([a, b]), torch.cat([c, -d]))

    def bias_gradient(self, y: Tensor) -> Tensor:
        return self._real.bias_gradient(y.real)


def complex_op(op: Bound) -> Bound:
    """The op on complex tensors.

    Raises:
        ValueError: the op is not holomorphic.
    """
    if isinstance(op, BoundOp):
        return ComplexOp(op)
    if isinstance(op, NonlinearOp) and op.holomorphic:
        return op
    raise ValueError(f"{type(op).__name__} is not holomorphic")


def paired(z: Tensor) -> Tensor:
    """A complex state (B, n, ...) as a real one, (B, 2 n, ...): real parts, then imaginary ones."""
    return torch.cat([z.real, z.imag], 1)


def unpaired(x: Tensor) -> Tensor:
    """The inverse of :func:`paired`."""
    real, imaginary = x.chunk(2, 1)
    return torch.complex(real.contiguous(), imaginary.contiguous())


@dataclass(frozen=True)
class PairedDynamics(WrappedDynamics):
    """Dynamics of complex states as a map of real states of twice the size (:func:`paired`).

    Solvers, tolerances and statuses then need no complex numbers: the norm of a pair is that of
    the moduli.
    """

    _seen: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict, init=False, repr=False)

    def update(self, state: Sequence[Tensor], layer: int) -> Tensor:
        return paired(self.inner.update(self._complex(state), layer))

    def change(self, state: Sequence[Tensor]) -> None:
        self.inner.change(self._complex(state))

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        """``s``, unchanged: a holomorphic activation reaches all of the plane but single points."""
        return s

    def routings(self, state: Sequence[Tensor]) -> Routings:
        return self.inner.routings(self._complex(state))

    def _complex(self, state: Sequence[Tensor]) -> list[Tensor]:
        """``state`` in complex numbers; what has not changed since the last call is kept."""
        for i, x in enumerate(state):
            if i not in self._seen or self._seen[i][0] is not x:
                self._seen[i] = x, unpaired(x)
        return [self._seen[i][1] for i in range(len(state))]
