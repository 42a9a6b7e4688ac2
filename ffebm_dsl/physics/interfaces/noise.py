"""Noise in relaxations, keyed so that it is a function of its place alone.

What a unit meets is drawn from ``(seed of the call, phase, place of the noise among those of the
phase, layer, move of the layer, sample)``: it does not depend on which other samples have come
to rest, nor on how processes share a batch.

A call draws ``PLACES`` more normal numbers than a batch of its largest layer takes, once for all
of its phases: numbers of its own for every move would take longer than the sweep that they disturb.
Every move takes a window at a random place of them, with a random sign; where a batch holds every
sample several times, so does every copy. So numbers are independent in one move of one copy and
between calls. Between moves, copies and phases a number, or its negative, occurs again at other
units and samples; as either sign is as likely, they are uncorrelated. The variance of a gradient
was 0.81 to 1.10 times that by numbers of its own for every move (docs/numerics.md).
"""

from __future__ import annotations

import copy
import hashlib
from abc import ABC
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from ffebm_dsl.physics.interfaces.bound_energy import EnergyDynamics, Force, together

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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

    def onto(self, v: Tensor, layer: int, state: Sequence[Tensor], *, overwrite: bool) -> Tensor:
        return self.stream.onto(v, layer, self.deviation, overwrite=overwrite)

    def select(self, rows: Tensor) -> _NoiseForce:
        return _NoiseForce(self.stream.select(rows), self.deviation)


PLACES = 1 << 14
"""The least number of places at which a window may be."""


@dataclass(frozen=True)
class Draws:
    """Where the noise of one call of a block comes from.

    Attributes:
        seed: of the call.
        total: samples of the whole batch, of which this process may have a part.
        first: the place of this process's first sample in it.
        count: how many samples this process has.
        units: of the largest layer.
        device: of the states.
    """

    seed: int
    total: int
    first: int
    count: int
    units: int
    device: torch.device | str = "cpu"

    @cached_property
    def numbers(self) -> Tensor:
        """Standard normal numbers and their negatives, (2, n), in float32 for all states."""
        import torch

        generator = torch.Generator(self.device).manual_seed(self.number("numbers"))
        numbers = torch.empty(2, self.total * self.units + PLACES - 1, device=self.device)
        torch.neg(numbers[0].normal_(generator=generator), out=numbers[1])
        return numbers

    def number(self, *place: object) -> int:
        """A number of 63 bits that is a function of the seed and the place."""
        key = repr((self.seed, *place)).encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") >> 1


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
        self._windows: dict[int, Tensor] = {}
        self._rows: Tensor | None = None

    def onto(self, v: Tensor, layer: int, deviation: float, *, overwrite: bool) -> Tensor:
        """``v``, (B, *layer shape), plus ``deviation`` times the numbers of the layer's next move.

        With ``overwrite`` in the memory of ``v``. The noise of complex numbers is real.
        """
        import torch

        from ffebm_dsl.physics.layout import take_rows

        drawn = self._drawn(layer, v.shape[1:])
        if self._rows is not None:
            drawn = [take_rows(torch.cat(drawn), self._rows)]
        if len(drawn) == 1 and not overwrite:
            return torch.add(v, drawn[0], alpha=deviation)
        sum_ = v if overwrite else v.clone()
        for part, numbers in zip(sum_.chunk(len(drawn)), drawn, strict=True):
            part.add_(numbers, alpha=deviation)
        return sum_

    def _drawn(self, layer: int, shape: torch.Size) -> list[Tensor]:
        """The numbers of each copy, (own samples, *layer shape), not to be changed."""
        move = self._moves[layer] = self._moves.get(layer, -1) + 1
        if layer not in self._windows:
            self._windows[layer] = self._all_windows(shape)
        windows = self._windows[layer]
        found = []
        for k in range(self._copies):
            place, sign = divmod(self._draws.number(self._key, layer, move, k), 2)
            found.append(windows[sign, place % windows.shape[1]])
        return found

    def _all_windows(self, shape: torch.Size) -> Tensor:
        """Views of the same numbers, (2, places, own samples, *layer shape)."""
        draws, image = self._draws, len(shape) == 3
        # Channels last in memory, as states are.
        laid = (*shape[1:], shape[0]) if image else tuple(shape)
        windows = draws.numbers.unfold(1, draws.total * shape.numel(), 1)
        windows = windows.view(2, -1, draws.total, *laid).narrow(2, draws.first, draws.count)
        return windows.movedim(-1, 3) if image else windows

    def select(self, rows: Tensor) -> Stream:
        """The numbers of these samples alone, from the next move on."""
        part = copy.copy(self)
        part._moves = dict(self._moves)
        part._rows = rows if self._rows is None else self._rows[rows]
        return part


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
