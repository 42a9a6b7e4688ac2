"""The processes that train one network together, each on its part of every batch.

A :class:`World` is what the loop sees of the others. Alone, all its answers are one's own;
``processes`` asks the others, over torch.distributed. Every method of a world is
called by all of its processes, in the same order: each waits for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.network.whole_batch import Part

T = TypeVar("T")


class World:
    """One process alone."""

    rank = 0
    size = 1

    @property
    def lead(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def part(self, total: int) -> Part:
        """The own part of a batch of ``total`` samples; the lead's is never empty."""
        return Part(0, total, total)

    def place(self, device: torch.device) -> torch.device:
        """The own device, where ``device`` leaves open which."""
        return device

    def parallel(self, network: nn.Module, device: torch.device) -> nn.Module:
        """``network`` in a form whose backward pass leaves the mean of all gradients."""
        return network

    def broadcast_buffers(self, network: nn.Module) -> None:
        """Give every process the buffers of the lead."""

    def all_reduce_values(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes, entry by entry."""
        return [float(value) for value in values]

    def all_reduce(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        return tensor

    def all_reduce_max(self, value: int) -> int:
        """The largest of all processes' values."""
        return value

    def any(self, flag: bool) -> bool:
        """Whether it holds in any process."""
        return bool(self.all_reduce_max(int(flag)))

    def all_gather(self, own: T) -> list[T]:
        """What each process gives, in the order of their ranks."""
        return [own]

    def broadcast(self, own: T) -> T:
        """What the lead gives."""
        return own

    def all_or_none(self) -> AbstractContextManager[None]:
        """A block without calls of the world; if it fails in one process, it fails in all.

        Raises:
            FfebmError: the own failure, or else one of the same kind that says whose.
        """
        return nullcontext()


ALONE = World()


def split(rank: int, size: int, total: int) -> tuple[int, int]:
    """First row and number of rows of a process's part, parts differing by one row at most."""
    least, over = divmod(total, size)
    return rank * least + min(rank, over), least + (rank < over)
