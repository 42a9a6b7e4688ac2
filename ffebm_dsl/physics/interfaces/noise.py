"""Gaussian noise on pre-activations, keyed so that it is a function of its place alone.

What a unit feels is drawn from ``(seed of the call, phase, layer, move of the layer, sample)``:
it does not depend on which other samples have come to rest, nor on how processes share a batch.
The noise is added where the reference code of Laborieux and Zenke (NeurIPS 2022) adds it: to
``d phi / d s``, before the activation, anew in every sweep and with both signs of beta.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor


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

    def noise(self, phase: str, deviation: float, copies: int = 1) -> Noise | None:
        """The noise of a phase in which every sample occurs ``copies`` times, each on its own."""
        return Noise(self, phase, deviation, copies) if deviation > 0 else None


class Noise:
    """A :class:`~ffebm_dsl.physics.interfaces.energy.Force` drawn anew whenever a layer moves.

    Args:
        draws: of the call.
        phase: its name, part of the key.
        deviation: standard deviation, in units of the pre-activation.
        copies: how often every sample occurs, one copy of the batch after the other.
    """

    def __init__(self, draws: Draws, phase: str, deviation: float, copies: int) -> None:
        self._draws, self._phase = draws, phase
        self._deviation, self._copies = deviation, copies
        self._moves: dict[int, int] = {}
        self._rows: Tensor | None = None
        self._generator: Generator | None = None

    def on(self, layer: int, state: Sequence[Tensor]) -> Tensor:
        """The noise of the layer's next move, (B, *layer shape)."""
        import torch

        like = state[layer]
        move = self._moves[layer] = self._moves.get(layer, -1) + 1
        if self._generator is None:
            self._generator = torch.Generator(like.device)
        self._generator.manual_seed(_hashed(self._draws.seed, self._phase, layer, move))
        drawn = self._drawn(like.shape[1:], self._generator)
        if self._rows is not None:
            drawn = drawn[self._rows]
        # Channels last in memory, as states are.
        drawn = drawn.movedim(-1, 1) if like.dim() == 4 else drawn
        return drawn.to(like.real.dtype)

    def select(self, rows: Tensor) -> Noise:
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
        whole.normal_(0.0, self._deviation, generator=generator)
        return whole[:, draws.first : draws.first + draws.count].flatten(0, 1)


def _hashed(*key: object) -> int:
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
