"""A copy of everything that a step changes, so that a bad one can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Backup:
    """Parameters, buffers and what the optimiser remembers, as they were when last taken.

    The memory is kept from one :meth:`take` to the next: as much again as the network and
    its optimiser's state need.
    """

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._network, self._optimizer = network, optimizer
        self._held: list[Tensor] = []
        self._copies: list[Tensor] = []
        self._states: list[tuple[Tensor, dict[str, Any]]] = []

    @torch.no_grad()
    def take(self) -> None:
        """Copy everything as it is now."""
        self._states = [(p, dict(state)) for p, state in self._optimizer.state.items()]
        held = list(self._network.state_dict(keep_vars=True).values())
        for _, state in self._states:
            held += [value for value in state.values() if isinstance(value, Tensor)]
        if len(held) != len(self._held) or any(
            a is not b for a, b in zip(held, self._held, strict=True)
        ):
            self._copies = [tensor.detach().clone() for tensor in held]
        else:
            _copy(self._copies, held)
        self._held = held

    @torch.no_grad()
    def restore(self) -> None:
        """Bring everything back, bit for bit. The optimiser forgets what it did not know."""
        _copy(self._held, self._copies)
        self._optimizer.state.clear()
        for parameter, state in self._states:
            self._optimizer.state[parameter] = dict(state)

    def is_finite(self) -> bool:
        """Whether no number in the copy is NaN or infinite."""
        return all(bool(copy.isfinite().all()) for copy in self._copies)


def _copy(to: Sequence[Tensor], source: Sequence[Tensor]) -> None:
    for target, tensor in zip(to, source, strict=True):
        target.copy_(tensor)
