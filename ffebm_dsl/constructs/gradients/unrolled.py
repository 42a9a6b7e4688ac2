"""``gradient unrolled``: autodiff through further sweeps from the free state.

With more sweeps it converges to the implicit gradient; memory grows with the number of sweeps.
The literature compares the nudged phase of EP with it, sweep by sweep (Ernoult et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, Backward, EstimatorConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE
from ffebm_dsl.physics.interfaces import (
    BoundEnergy,
    Cost,
    Equilibrium,
    Estimator,
    GradientEstimate,
    noisy_dynamics,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Unrolled(Estimator):
    """Differentiate ``sweeps`` plain sweeps in the free phase's order, from the free state.

    Raises:
        ValueError: the number of sweeps is negative.
    """

    sweeps: int = 20

    def __post_init__(self) -> None:
        if self.sweeps < 0:
            raise ValueError(f"cannot unroll {self.sweeps} sweeps")

    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        from ffebm_dsl.physics.gradients.autodiff import differentiate
        from ffebm_dsl.physics.relaxation import relax

        settings = replace(
            equilibrium.free,
            sweeps=self.sweeps,
            tolerance=0.0,
            solver=equilibrium.free.solver.plain,
        )

        def sweep_on(bound: BoundEnergy) -> list[Tensor]:
            make = partial(bound.dynamics, routings=equilibrium.routings)
            dynamics = noisy_dynamics(
                make, equilibrium.force, settings.noise, equilibrium.draws, "unrolled"
            )
            return relax(dynamics, equilibrium.state, settings).state

        return differentiate(sweep_on, equilibrium.bound, cost, weights)


def _backward(arguments: Arguments, free: int, nudged: int) -> Backward:
    own = arguments["sweeps"]
    # Each sweep is run forward and then backward.
    text = f"unrolled: {own} sweeps, forward and backward"
    return Backward("unrolled", 2, own, states=own, text=text)


CONSTRUCT = EstimatorConstruct(
    "unrolled",
    "backpropagation through further sweeps from the free equilibrium",
    (Parameter("sweeps", Kind.INT, "sweeps with a graph", 20, AT_LEAST_ONE),),
    equation="dC/dtheta of C(F(... F(s*))), `sweeps` sweeps F from the free equilibrium s*",
    source="backpropagation through time as in Ernoult et al. 2019, arXiv 1905.13633",
    make=lambda a: Unrolled(a["sweeps"]),
    title="unrolled",
    backward=_backward,
    nudges=False,
    any_couplings=True,
    compared=lambda sweeps: {"sweeps": sweeps},
    summary=lambda arguments: f"{arguments['sweeps']} sweeps",
)
