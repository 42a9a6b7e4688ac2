"""The gradient check and the static gradient analysis of ``ffebm check``."""

from ffebm_dsl.tools.checking.findings import findings
from ffebm_dsl.tools.checking.gradient_check import CheckSettings, check
from ffebm_dsl.tools.checking.used_constructs import broken_promises, check_promises

__all__ = ["CheckSettings", "broken_promises", "check", "check_promises", "findings"]
