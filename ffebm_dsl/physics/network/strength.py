"""What a block keeps of a nudging strength that is measured (``beta = auto``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.interfaces import AutomaticEstimator, Cost, Equilibrium, Estimator

if TYPE_CHECKING:
    from ffebm_dsl.physics.network.block import BlockSettings


class MeasuredStrength(nn.Module):
    """A block whose estimator may measure its strength; it keeps what was found.

    Attributes:
        reach: the strongest nudge, 0-dim, 0 until it is measured; saved with the weights. None
            where the estimator states its strength.
    """

    reach: Tensor | None
    settings: BlockSettings

    def reserve_reach(self, settings: BlockSettings) -> None:
        """Make a place for what these settings may measure."""
        if isinstance(settings.estimator, AutomaticEstimator) and self.reach is None:
            self.reach = torch.zeros((), dtype=torch.float64)

    def measure_anew(self) -> None:
        """Where the strength is measured, let the next backward pass measure it."""
        if self.reach is not None:
            self.reach.zero_()

    @property
    def estimator(self) -> Estimator:
        """How gradients are taken; of a strength that is measured, with the one that was found."""
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
    """The estimator with its strength, which is measured and put into ``reach`` where it is 0."""
    if not isinstance(estimator, AutomaticEstimator) or reach is None:
        return estimator
    if float(reach) == 0:
        reach.fill_(estimator.choose(equilibrium, cost, weights))
    return estimator.contrast.reaching(float(reach))
