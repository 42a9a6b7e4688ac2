"""Noise on the states of layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Kind, NoiseConstruct, Parameter
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE
from ffebm_dsl.physics.interfaces import EnergyDynamics, Noise, Stream, WrappedDynamics

if TYPE_CHECKING:
    from torch import Tensor


class StateNoise(Noise):
    """Normal noise on updated states, with standard deviation ``deviation`` in units of the state.

    States may leave the range of their activation; neighbours, outputs and weight updates see them
    as they are.
    """

    def disturbed(self, dynamics: EnergyDynamics, stream: Stream) -> EnergyDynamics:
        return _Disturbed(dynamics, stream, self.deviation)


@dataclass(frozen=True)
class _Disturbed(WrappedDynamics):
    """The dynamics ``s_i <- F_i(s) + deviation * xi``."""

    stream: Stream
    deviation: float

    def update(self, state: Sequence[Tensor], layer: int) -> Tensor:
        new = self.inner.update(state, layer)
        return self.stream.onto(new, layer, self.deviation, overwrite=False)

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        """``s``, as it is: a plain or damped sweep leaves the range by its noise alone."""
        return s

    def select(self, rows: Tensor) -> _Disturbed:
        return _Disturbed(self.inner.select(rows), self.stream.select(rows), self.deviation)


CONSTRUCT = NoiseConstruct(
    "state",
    "normal noise on every state",
    (Parameter("deviation", Kind.REAL, "standard deviation", bounds=NOT_NEGATIVE),),
    equation="s <- sigma(v) + deviation * xi, xi ~ N(0, 1) anew in every sweep, unit and sample",
    make=lambda arguments: StateNoise(arguments["deviation"]),
)
