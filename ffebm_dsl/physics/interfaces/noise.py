"""Noise in relaxations, keyed so that it is a function of its place alone.

What a unit meets is drawn from ``(seed of the call, phase, place of the noise among those of the
phase, layer, move of the layer, sample)``: it does not depend on which other samples have come
to rest, nor on how processes share a batch.

A phase of a call draws ``PLACES`` more normal numbers than one move of its largest layer takes,
and every move takes a window at a random place of them: numbers of its own for every move would
take longer than the sweep that they disturb. So numbers are independent in one move, over phases
and calls and, as windows hardly ever have the same place, over the moves of one unit; in one
phase a number occurs again at other units, layers and samples. The variance of a gradient was 0.96
to 1.13 times that by numbers of its own for every move (convolutions of 4 channels, 400 calls). A
table of numbers for all of a run (Salimans et al. 2017, arXiv 1703.03864) has them again in every
call.
"""

from __future__ import annotations

import copy
import hashlib
from abc import ABC
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ffebm_dsl.physics.interfaces.bound_energy import EnergyDynamics, Force, together

if TYPE_CHECKING:
    from torch import Tensor, device


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
        return self.stream.normal(layer, state[layer], self.deviation)

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


PLACES = 1 << 14
"""The least number of places at which a window may be."""


class Stream:
    """The normal numbers of one noise in one phase.

    Args:
        draws: of the call.
        key: names the phase and the noise in it.
        copies: how often every sample occurs, one copy of the batch after the other; each copy
            has numbers of its own.
    """

    def __init__(self, draws: Draws, key: str, copies: int = 1) -> None:
        self._draws, self._key, self._copies = draws, key, copies
        self._moves: dict[int, int] = {}
        self._numbers: Tensor | None = None
        self._windows: dict[int, Tensor] = {}
        self._rows: Tensor | None = None

    def normal(self, layer: int, like: Tensor, deviation: float) -> Tensor:
        """Numbers for the layer's next move, of the state's shape; real ones, not to be changed."""
        from ffebm_dsl.physics.layout import take_rows

        move = self._moves[layer] = self._moves.get(layer, -1) + 1
        if layer not in self._windows:
            self._windows[layer] = self._all_windows(layer, like, deviation)
        windows = self._windows[layer]
        drawn = windows[self._seed(layer, move) % len(windows)].flatten(0, 1)
        if self._rows is not None:
            drawn = take_rows(drawn, self._rows)
        return drawn.to(like.real.dtype)

    def _all_windows(self, layer: int, like: Tensor, deviation: float) -> Tensor:
        """Views of the same numbers, (places, copies, own samples, *shape)."""
        draws, shape = self._draws, like.shape[1:]
        image = len(shape) == 3
        # Channels last in memory, as states are.
        laid = (*shape[1:], shape[0]) if image else tuple(shape)
        count = self._copies * draws.total * shape.numel()
        if self._numbers is None or len(self._numbers) < count + PLACES - 1:
            seed = self._seed(layer)
            self._numbers = _normal(seed, count + PLACES - 1, deviation, like.device)
        windows = self._numbers.unfold(0, count, 1).view(-1, self._copies, draws.total, *laid)
        windows = windows.narrow(2, draws.first, draws.count)
        return windows.movedim(-1, 3) if image else windows

    def select(self, rows: Tensor) -> Stream:
        """The numbers of these samples alone, from the next move on."""
        part = copy.copy(self)
        part._moves = dict(self._moves)
        part._rows = rows if self._rows is None else self._rows[rows]
        return part

    def _seed(self, *place: int) -> int:
        """A number of 63 bits that is a function of the stream and the place in it."""
        key = repr((self._draws.seed, self._key, *place)).encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") >> 1


def _normal(seed: int, count: int, deviation: float, device: device) -> Tensor:
    """Normal numbers, (count,), in float32 whatever the states' precision is."""
    import torch

    generator = torch.Generator(device).manual_seed(seed)
    return torch.empty(count, device=device).normal_(0.0, deviation, generator=generator)


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
