"""``gradient bptt``: autodiff through the free phase, from its first state to its last.

It is the gradient of what the free phase computes, converged or not, and needs no equilibrium. The
literature compares EP with it (Ernoult et al. 2019, Laborieux et al. 2021). After ``relax free {
sweeps = 0  start = feedforward }`` every layer is computed once, from those before it, and bptt is
backpropagation through a feedforward network of the same layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, Backward, EstimatorConstruct
from ffebm_dsl.physics.interfaces import Cost, Equilibrium, Estimator, GradientEstimate

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class BackpropagationThroughTime(Estimator):
    """Differentiate the free phase, which is run again with a graph."""

    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        from ffebm_dsl.physics.gradients.autodiff import differentiate

        return differentiate(equilibrium.free_phase, equilibrium.bound, cost, weights)


def _backward(arguments: Arguments, free: int, nudged: int) -> Backward:
    # Each sweep is run forward again and then backward.
    text = "bptt: the free phase, forward and backward"
    return Backward("bptt", 2, free, states=free, text=text, whole=True)


CONSTRUCT = EstimatorConstruct(
    "bptt",
    "backpropagation through the free phase; through a feedforward network of the same layers "
    "after `relax free { sweeps = 0  start = feedforward }`",
    equation="dC/dtheta of C(F(... F(s_0))), F the sweeps of the free phase, s_0 its first state",
    source="backpropagation through time: Ernoult et al. 2019, arXiv 1905.13633; Laborieux et al. "
    "2021, arXiv 2006.03824",
    make=lambda a: BackpropagationThroughTime(),
    title="bptt",
    backward=_backward,
    nudges=False,
    any_couplings=True,
    compared=lambda sweeps: {},
)
