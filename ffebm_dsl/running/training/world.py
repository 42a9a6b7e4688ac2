"""The processes that train one network together, each on its part of every batch.

A :class:`World` is the training loop's interface to the other processes. That of this module is a
single process; ``distributed`` implements it with torch.distributed. Every method is called by all
processes in the same order, and waits for the others.
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
    """A single process."""

    rank = 0
    size = 1

    @property
    def lead(self) -> bool:
        """Whether this process writes files and messages for all."""
        return self.rank == 0

    def part(self, total: int) -> Part:
        """This process's part of a batch of ``total`` samples; the lead's is never empty."""
        return Part(0, total, total)

    def place(self, device: torch.device) -> torch.device:
        """The device of this process, if ``device`` does not determine it."""
        return device

    def parallel(self, network: nn.Module, device: torch.device) -> nn.Module:
        """``network`` wrapped so that its backward pass averages gradients over processes."""
        return network

    def broadcast_buffers(self, network: nn.Module) -> None:
        """Copy the buffers of the lead to every process."""

    def all_reduce_values(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes, element by element."""
        return [float(value) for value in values]

    def all_reduce(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        return tensor

    def all_reduce_max(self, value: int) -> int:
        """The maximum over all processes."""
        return value

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is true in any process."""
        return bool(self.all_reduce_max(int(flag)))

    def all_gather(self, own: T) -> list[T]:
        """The values of all processes, in the order of their ranks."""
        return [own]

    def broadcast(self, own: T) -> T:
        """The value of the lead."""
        return own

    def all_or_none(self) -> AbstractContextManager[None]:
        """A block, without calls of the world, that fails in all processes if it fails in one.

        Raises:
            FfebmError: the error of this process, or one of the same kind that names the process.
        """
        return nullcontext()


ALONE = World()


def split(rank: int, size: int, total: int) -> tuple[int, int]:
    """First row and number of rows of a process's part; parts differ by at most one row."""
    least, over = divmod(total, size)
    return rank * least + min(rank, over), least + (rank < over)
