"""Noise in relaxations, reproducible sample by sample.

The noise on a unit is a function of ``(seed of the call, phase, index of the noise among those of
the phase, layer, update of the layer, sample)``. It depends neither on which other samples have
converged nor on how processes share a batch.

A call draws one table of normal numbers for all of its phases, ``PLACES - 1`` more than a batch of
its largest layer needs: drawing new numbers for every update would take longer than the sweep
itself. Each update adds a window of the table, at a random offset and with a random sign; in a
batch that contains every sample several times, each copy has a window of its own. Numbers are
therefore independent within one window and between calls. Two windows may contain the same number
at different units or samples, with equal or opposite sign; as both are equally likely, windows are
uncorrelated. The variance of a gradient was 0.81 to 1.10 times that with new numbers in every
update (docs/numerics.md).
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
    """One kind of noise of a phase, drawn anew for every update of a layer.

    It either adds a force to the pre-activations or wraps the dynamics.

    Attributes:
        deviation: strength, usually a standard deviation; at 0 results are bit-identical to those
            without noise.

    Raises:
        ValueError: a negative deviation.
    """

    deviation: float

    def __post_init__(self) -> None:
        if not self.deviation >= 0:
            raise ValueError(f"noise must be at least 0, not {self.deviation}")

    def force(self, stream: Stream) -> Force | None:
        """The force on pre-activations; None where the noise acts elsewhere."""
        return None

    def disturbed(self, dynamics: EnergyDynamics, stream: Stream) -> EnergyDynamics:
        """The dynamics with the noise that is not a force."""
        return dynamics


class PreActivationNoise(Noise):
    """Normal noise on ``v = d phi / d s``, with standard deviation ``deviation`` in units of v.

    It is added as in the reference code of Laborieux and Zenke (NeurIPS 2022): before the
    activation, anew in every sweep, in free and nudged phases.
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
"""The least number of offsets of a window."""


@dataclass(frozen=True)
class Draws:
    """The source of the noise of one call of a block.

    Attributes:
        seed: seed of the call.
        total: number of samples of the whole batch, which processes may share.
        first: index in it of the first sample of this process.
        count: number of samples of this process.
        units: number of units of the largest layer.
        device: device of the states.
    """

    seed: int
    total: int
    first: int
    count: int
    units: int
    device: torch.device | str = "cpu"

    @cached_property
    def numbers(self) -> Tensor:
        """Standard normal numbers and their negatives, (2, n) float32."""
        import torch

        generator = torch.Generator(self.device).manual_seed(self.number("numbers"))
        numbers = torch.empty(2, self.total * self.units + PLACES - 1, device=self.device)
        torch.neg(numbers[0].normal_(generator=generator), out=numbers[1])
        return numbers

    def number(self, *place: object) -> int:
        """A hash of the seed and ``place``, in 63 bits."""
        key = repr((self.seed, *place)).encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") >> 1


class Stream:
    """The normal numbers of one noise in one phase.

    Args:
        draws: the source of noise of the call.
        key: identifies the phase and the noise in it.
        copies: how many times the batch contains every sample, copy after copy; each copy has
            numbers of its own.
    """

    def __init__(self, draws: Draws, key: str, copies: int = 1) -> None:
        self._draws, self._key, self._copies = draws, key, copies
        self._updates: dict[int, int] = {}
        self._windows: dict[int, Tensor] = {}
        self._rows: Tensor | None = None

    def onto(self, v: Tensor, layer: int, deviation: float, *, overwrite: bool) -> Tensor:
        """``v``, (B, *layer shape), plus ``deviation`` times the numbers of the next update.

        Computed in place if ``overwrite``. The noise on complex numbers is real.
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
        """The numbers of each copy, (count, *layer shape); views that must not be changed."""
        update = self._updates[layer] = self._updates.get(layer, -1) + 1
        if layer not in self._windows:
            self._windows[layer] = self._all_windows(shape)
        windows = self._windows[layer]
        found = []
        for k in range(self._copies):
            place, sign = divmod(self._draws.number(self._key, layer, update, k), 2)
            found.append(windows[sign, place % windows.shape[1]])
        return found

    def _all_windows(self, shape: torch.Size) -> Tensor:
        """All windows as views of one table, (2, offsets, count, *layer shape)."""
        draws, image = self._draws, len(shape) == 3
        # Channels last in memory, as states are.
        laid = (*shape[1:], shape[0]) if image else tuple(shape)
        windows = draws.numbers.unfold(1, draws.total * shape.numel(), 1)
        windows = windows.view(2, -1, draws.total, *laid).narrow(2, draws.first, draws.count)
        return windows.movedim(-1, 3) if image else windows

    def select(self, rows: Tensor) -> Stream:
        """The numbers of these samples alone, from the next update on."""
        part = copy.copy(self)
        part._updates = dict(self._updates)
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
    """The dynamics of a phase with noise.

    Args:
        make: returns the dynamics under a force.
        force: a further force.
        noises: the noises of the phase.
        draws: the source of noise of the call; None: no noise.
        phase: name of the phase, part of the key.
        copies: how many times the batch contains every sample of the call.
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
