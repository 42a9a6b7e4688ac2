"""Measured nudging strengths of blocks (``beta = auto``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.interfaces import AutomaticEstimator, Cost, Equilibrium, Estimator

if TYPE_CHECKING:
    from ffebm_dsl.physics.network.block import BlockSettings


class MeasuredStrength(nn.Module):
    """A block that keeps the nudging strength that its estimator measured.

    Attributes:
        reach: strength of the strongest nudge, 0-dim, 0 until it is measured; saved with the
            weights. None if the strength of the estimator is given.
    """

    reach: Tensor | None
    settings: BlockSettings

    def reserve_reach(self, settings: BlockSettings) -> None:
        """Register the buffer ``reach`` if these settings measure a strength."""
        if isinstance(settings.estimator, AutomaticEstimator) and self.reach is None:
            self.reach = torch.zeros((), dtype=torch.float64)

    def measure_anew(self) -> None:
        """Measure the strength again in the next backward pass, if it is a measured one."""
        if self.reach is not None:
            self.reach.zero_()

    @property
    def estimator(self) -> Estimator:
        """The gradient estimator, at the measured strength if there is one."""
        own = self.settings.estimator
        if isinstance(own, AutomaticEstimator) and self.reach is not None and float(self.reach):
            return own.contrast.reaching(float(self.reach))
        return own


def at_its_strength(
    estimator: Estimator,
    reach: Tensor | None,
    equilibrium: Equilibrium,
    cost: Cost,
    weights: Tensor,
) -> Estimator:
    """The estimator at the strength ``reach``, which is measured first if it is 0."""
    if not isinstance(estimator, AutomaticEstimator) or reach is None:
        return estimator
    if float(reach) == 0:
        reach.fill_(estimator.choose(equilibrium, cost, weights))
    return estimator.contrast.reaching(float(reach))
