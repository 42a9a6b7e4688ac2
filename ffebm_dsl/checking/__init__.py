"""The gradient check: EP against implicit, unrolled and finite differences, in float64."""

from ffebm_dsl.checking.check import CheckSettings, check, observed_order
from ffebm_dsl.checking.findings import findings
from ffebm_dsl.checking.report import BetaSweep, CheckReport, GradientRow, RelaxationRow

__all__ = [
    "BetaSweep",
    "CheckReport",
    "CheckSettings",
    "GradientRow",
    "RelaxationRow",
    "check",
    "findings",
    "observed_order",
]
