"""The gradient check and the static gradient analysis of ``ffebm check``."""

from ffebm_dsl.tools.checking.beta_sweep import observed_order
from ffebm_dsl.tools.checking.check_report import CheckReport, GradientRow, RelaxationRow
from ffebm_dsl.tools.checking.devices import DeviceRow
from ffebm_dsl.tools.checking.findings import findings
from ffebm_dsl.tools.checking.gradient_check import CheckSettings, check
from ffebm_dsl.tools.checking.transient_check import TransientSettings, transients
from ffebm_dsl.tools.checking.transient_record import (
    DrawnBatch,
    TransientAnalysis,
    analyse,
    draw_batch,
    record_of,
)
from ffebm_dsl.tools.checking.transient_table import Transients
from ffebm_dsl.tools.checking.used_constructs import (
    ConstructRow,
    broken_promises,
    check_promises,
)

__all__ = [
    "CheckReport",
    "CheckSettings",
    "ConstructRow",
    "DeviceRow",
    "DrawnBatch",
    "GradientRow",
    "RelaxationRow",
    "TransientAnalysis",
    "TransientSettings",
    "Transients",
    "analyse",
    "broken_promises",
    "check",
    "check_promises",
    "draw_batch",
    "findings",
    "observed_order",
    "record_of",
    "transients",
]
