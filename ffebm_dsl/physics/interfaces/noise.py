"""Noise in relaxations, keyed so that it is a function of its place alone.

What a unit meets is drawn from ``(seed of the call, phase, place of the noise among those of the
phase, layer, move of the layer, sample)``: it does not depend on which other samples have come
to rest, nor on how processes share a batch.
"""

from __future__ import annotations

import copy
import hashlib
from abc import ABC
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ffebm_dsl.physics.interfaces.energy import EnergyDynamics, Force, together

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Noise(ABC):
    """One kind of noise of a phase, drawn anew whenever a layer moves.

    A kind acts on pre-activations by a force, or it changes the dynamics.

    Attributes:
        deviation: its strength, usually a standard deviation; 0 is no noise, bit for bit.

    Raises:
        ValueError: a negative deviation.
    """

    deviation: float

    def __post_init__(self) -> None:
        if not self.deviation >= 0:
            raise ValueError(f"noise must be at least 0, not {self.deviation}")

    def force(self, stream: Stream) -> Force | None:
        """What is added to pre-activations; None where it acts elsewhere."""
        return None

    def disturbed(self, dynamics: EnergyDynamics, stream: Stream) -> EnergyDynamics:
        """The dynamics with the noise in it that is no force."""
        return dynamics


class PreActivationNoise(Noise):
    """Noise on ``v = d phi / d s``, with that standard deviation in its units.

    It acts where the reference code of Laborieux and Zenke (NeurIPS 2022) adds it: before the
    activation, anew in every sweep and with all strengths of the nudge.
    """

    def force(self, stream: Stream) -> Force:
        return _NoiseForce(stream, self.deviation)


@dataclass(frozen=True)
class _NoiseForce:
    stream: Stream
    deviation: float

    def on(self, layer: int, state: Sequence[Tensor]) -> Tensor:
        return self.stream.normal(layer, state[layer]).mul_(self.deviation)

    def select(self, rows: Tensor) -> _NoiseForce:
        return _NoiseForce(self.stream.select(rows), self.deviation)


@dataclass(frozen=True)
class Draws:
    """Where the noise of one call of a block comes from.

    Attributes:
        seed: of the call.
        total: samples of the whole batch, of which this process may have a part.
        first: the place of this process's first sample in it.
        count: how many samples this process has.
    """

    seed: int
    total: int
    first: int
    count: int


class Stream:
    """The standard normal numbers of one noise in one phase.

    Args:
        draws: of the call.
        key: names the phase and the noise in it.
        copies: how often every sample occurs, one copy of the batch after the other; each copy
            has numbers of its own.
    """

    def __init__(self, draws: Draws, key: str, copies: int = 1) -> None:
        self._draws, self._key, self._copies = draws, key, copies
        self._moves: dict[int, int] = {}
        self._rows: Tensor | None = None
        self._generator: Generator | None = None

    def normal(self, layer: int, like: Tensor) -> Tensor:
        """The numbers of the layer's next move, of the state's shape; real ones."""
        import torch

        move = self._moves[layer] = self._moves.get(layer, -1) + 1
        if self._generator is None:
            self._generator = torch.Generator(like.device)
        self._generator.manual_seed(_hashed(self._draws.seed, self._key, layer, move))
        drawn = self._drawn(like.shape[1:], self._generator)
        if self._rows is not None:
            drawn = drawn[self._rows]
        # Channels last in memory, as states are.
        drawn = drawn.movedim(-1, 1) if like.dim() == 4 else drawn
        return drawn.to(like.real.dtype)

    def select(self, rows: Tensor) -> Stream:
        """The numbers of these samples alone, from the next move on."""
        part = copy.copy(self)
        part._moves = dict(self._moves)
        part._rows = rows if self._rows is None else self._rows[rows]
        return part

    def _drawn(self, shape: Sequence[int], generator: Generator) -> Tensor:
        """Of all own samples and copies, in float32 whatever the states' precision is."""
        import torch

        draws = self._draws
        laid = (*shape[1:], shape[0]) if len(shape) == 3 else tuple(shape)
        whole = torch.empty((self._copies, draws.total, *laid), device=generator.device)
        whole.normal_(generator=generator)
        return whole[:, draws.first : draws.first + draws.count].flatten(0, 1)


MakeDynamics: TypeAlias = Callable[["Force | None"], EnergyDynamics]


def noisy_dynamics(
    make: MakeDynamics,
    force: Force | None,
    noises: Iterable[Noise],
    draws: Draws | None,
    phase: str,
    copies: int = 1,
) -> EnergyDynamics:
    """The dynamics of a phase with these noises.

    Args:
        make: the dynamics under a force.
        force: acts besides.
        noises: of the phase.
        draws: of the call; None: the phase is without noise.
        phase: its name, part of the key.
        copies: how often every sample of the call occurs in the phase.
    """
    streams = [
        (noise, Stream(draws, f"{phase} {place}", copies))
        for place, noise in enumerate(noises)
        if draws is not None and noise.deviation > 0
    ]
    dynamics = make(together(force, *(noise.force(stream) for noise, stream in streams)))
    for noise, stream in streams:
        dynamics = noise.disturbed(dynamics, stream)
    return dynamics


def _hashed(*key: object) -> int:
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
