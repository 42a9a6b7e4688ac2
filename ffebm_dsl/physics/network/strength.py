"""Measured nudging strengths of blocks (``beta = auto``)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.gradients.automatic import largest_cotangent
from ffebm_dsl.physics.interfaces import AutomaticEstimator, Cost, Equilibrium, Estimator

if TYPE_CHECKING:
    from ffebm_dsl.physics.network.block import BlockSettings


class MeasuredStrength(nn.Module):
    """A block that keeps the force of the nudging strength that its estimator measured.

    Bias and noise of an estimate depend on the force of a nudge, its strength times the cotangent,
    and cotangents grow and shrink as a network learns. So the measured strength is kept as a force.

    Attributes:
        reach: the largest force of a nudge, 0-dim, 0 until it is measured; saved with the
            weights. None if the strength of the estimator is given.
        strength: of the strongest nudge in the last backward pass, 0-dim; not saved. None where
            ``reach`` is.
    """

    reach: Tensor | None
    strength: Tensor | None
    settings: BlockSettings

    def reserve_reach(self, settings: BlockSettings) -> None:
        """Register the buffer ``reach`` if these settings measure a strength."""
        if isinstance(settings.estimator, AutomaticEstimator) and self.reach is None:
            self.reach = torch.zeros((), dtype=torch.float64)
            self.strength = torch.zeros((), dtype=torch.float64)

    def measure_anew(self) -> None:
        """Measure the strength again in the next backward pass, if it is a measured one."""
        if self.reach is not None:
            self.reach.zero_()

    @property
    def estimator(self) -> Estimator:
        """The gradient estimator; if its strength is measured, at that of the last pass."""
        own, strength = self.settings.estimator, self.strength
        if isinstance(own, AutomaticEstimator) and strength is not None and float(strength):
            return own.contrast.reaching(float(strength))
        return own


def at_its_strength(
    estimator: Estimator,
    reach: Tensor | None,
    strength: Tensor | None,
    equilibrium: Equilibrium,
    cost: Cost,
    weights: Tensor,
) -> Estimator:
    """The estimator at the strength whose force is ``reach``, which is measured first if it is 0.

    Without a finite cotangent there is nothing to measure, and the estimator is as stated.
    """
    if not isinstance(estimator, AutomaticEstimator) or reach is None or strength is None:
        return estimator
    size = largest_cotangent(cost, equilibrium)
    if not 0 < size < math.inf:
        return estimator.contrast
    if float(reach) == 0:
        reach.fill_(estimator.choose(equilibrium, cost, weights) * size)
    strength.fill_(float(reach) / size)
    return estimator.contrast.reaching(float(strength))
