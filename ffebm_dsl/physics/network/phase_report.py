"""How a relaxation of a block went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ffebm_dsl.physics.interfaces import Routings


@dataclass(frozen=True)
class PhaseReport:
    """How one relaxation of one block went, sample by sample.

    ``phase`` is ``free``, ``nudged`` (one report for each nudged phase) or ``adjoint``;
    ``residual``, ``sweeps``, ``status`` and ``paces`` are those of the ``Solution``, (B,).
    ``state`` and the ``routings`` that were frozen are kept only where the settings say
    ``keep_states``, the ``quantities`` of the free state, (B,) each, where they say ``measure``.
    """

    block: str
    phase: str
    residual: Tensor
    sweeps: Tensor
    status: Tensor
    paces: Tensor | None = None
    state: tuple[Tensor, ...] | None = None
    routings: Routings | None = None
    quantities: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def accelerated(self) -> Tensor:
        """Whether the solver chose to accelerate a sample, (B,)."""
        none = torch.zeros_like(self.status, dtype=torch.bool)
        return none if self.paces is None else self.paces > 1
