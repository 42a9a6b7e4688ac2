"""``gradient implicit``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, Backward, EstimatorConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE, POSITIVE

if TYPE_CHECKING:
    from ffebm_dsl.physics.gradients import Estimator


def _make(arguments: Arguments) -> Estimator:
    from ffebm_dsl.physics.gradients import Implicit

    return Implicit(tolerance=arguments["tolerance"], sweeps=arguments["sweeps"])


def _backward(arguments: Arguments, sweeps: int) -> Backward:
    own = arguments["sweeps"]
    return Backward("adjoint", 1, own, states=1, text=f"adjoint solve: at most {own} sweeps")


CONSTRUCT = EstimatorConstruct(
    "implicit",
    "the adjoint fixed point at the free equilibrium",
    (
        Parameter("tolerance", Kind.REAL, "relative change that ends the solve", 1e-8, POSITIVE),
        Parameter("sweeps", Kind.INT, "most sweeps of the solve", 500, AT_LEAST_ONE),
    ),
    equation="dC/dtheta = <w, d grad phi / dtheta>, w = D (I - H D)^-1 c: c the cotangent, "
    "H = d^2 phi / ds^2, D = diag(sigma'), at the free equilibrium",
    source="Almeida 1987 (ICNN); Pineda 1987 (Phys. Rev. Lett. 59)",
    make=_make,
    title="implicit",
    backward=_backward,
    nudges=False,
    # A tolerance that no relaxation reaches: all sweeps are made.
    compared=lambda sweeps: {"tolerance": 1e-30, "sweeps": sweeps},
)
