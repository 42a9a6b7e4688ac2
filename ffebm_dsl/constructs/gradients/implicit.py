"""``gradient implicit``: implicit differentiation of a block's equilibrium.

At the fixed point ``s = sigma(v(s))`` the implicit function theorem gives, for a cotangent ``c``,
``w = D (I - J^T D)^-1 c`` with ``J = dv/ds``, and the gradients ``<w, dv/dtheta>`` and
``<w, dv/du>``: with an energy the limit of EP as beta goes to 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, Backward, EstimatorConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE, POSITIVE
from ffebm_dsl.physics.interfaces import Cost, Equilibrium, Estimator, GradientEstimate

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Implicit(Estimator):
    """The adjoint fixed point, by sweeps in the order of the nudged phase.

    ``tolerance`` is the relative change per sample at which the adjoint has converged, and
    ``sweeps`` the largest number of sweeps.

    Raises:
        ValueError: the tolerance is not positive, or there are no sweeps.
    """

    tolerance: float = 1e-8
    sweeps: int = 500

    def __post_init__(self) -> None:
        if not (self.tolerance > 0 and self.sweeps > 0):
            raise ValueError("implicit differentiation needs a tolerance and sweeps above 0")

    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        import torch

        from ffebm_dsl.physics.gradients.state_cost import cotangents_by_layer
        from ffebm_dsl.physics.relaxation import relax

        bound, state = equilibrium.bound, equilibrium.state
        with torch.no_grad():
            routings = equilibrium.routings or bound.routings(state)
            cotangent = cotangents_by_layer(cost, state, torch.ones_like(weights))
            dynamics = bound.adjoint(state, cotangent, routings)
            settings = replace(equilibrium.nudged, sweeps=self.sweeps, tolerance=self.tolerance)
            solution = relax(dynamics, [torch.zeros_like(s) for s in state], settings)
            found = bound.response_gradient(state, solution.state, weights, routings)
        return GradientEstimate(
            found.weights,
            found.drives,
            cost.parameter_gradient(state, weights),
            {"adjoint": [solution]},
        )


def _backward(arguments: Arguments, free: int, nudged: int) -> Backward:
    own = arguments["sweeps"]
    return Backward("adjoint", 1, own, states=1, text=f"adjoint solve: at most {own} sweeps")


CONSTRUCT = EstimatorConstruct(
    "implicit",
    "the adjoint fixed point at the free equilibrium",
    (
        Parameter("tolerance", Kind.REAL, "relative change that ends the solve", 1e-8, POSITIVE),
        Parameter("sweeps", Kind.INT, "maximum number of sweeps", 500, AT_LEAST_ONE),
    ),
    equation="dC/dtheta = <w, dv/dtheta>, w = D (I - J^T D)^-1 c: c the cotangent, v the "
    "pre-activations, J = dv/ds, D = diag(sigma'), at the free equilibrium",
    source="Almeida 1987 (ICNN); Pineda 1987 (Phys. Rev. Lett. 59)",
    make=lambda a: Implicit(a["tolerance"], a["sweeps"]),
    title="implicit",
    backward=_backward,
    nudges=False,
    any_couplings=True,
    # A tolerance that no relaxation reaches: all sweeps are made.
    compared=lambda sweeps: {"tolerance": 1e-30, "sweeps": sweeps},
)
