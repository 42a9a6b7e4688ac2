"""``gradient unrolled``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, Backward, EstimatorConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE

if TYPE_CHECKING:
    from ffebm_dsl.physics.gradients import Estimator


def _make(arguments: Arguments) -> Estimator:
    from ffebm_dsl.physics.gradients import Unrolled

    return Unrolled(sweeps=arguments["sweeps"])


def _backward(arguments: Arguments, sweeps: int) -> Backward:
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
    make=_make,
    title="unrolled",
    backward=_backward,
    nudges=False,
    compared=lambda sweeps: {"sweeps": sweeps},
    summary=lambda arguments: f"{arguments['sweeps']} sweeps",
)
