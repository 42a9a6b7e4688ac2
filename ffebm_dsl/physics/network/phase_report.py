"""Reports of relaxations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ffebm_dsl.physics.interfaces import Routings


@dataclass(frozen=True)
class PhaseReport:
    """The result of one relaxation of one block, per sample.

    ``phase`` is ``free``, ``nudged`` (one report for each nudged phase) or ``adjoint``;
    ``residual``, ``sweeps``, ``status`` and ``paces`` are those of the ``Solution``, (B,).
    ``state`` and frozen ``routings`` are kept only with the setting ``keep_states``, the
    ``quantities`` of the free state, (B,) each, only with ``measure``.
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
        """Mask of the samples that the solver accelerated, (B,)."""
        none = torch.zeros_like(self.status, dtype=torch.bool)
        return none if self.paces is None else self.paces > 1
