"""Shared parts of the cosine schedules."""

from __future__ import annotations

import math

from ffebm_dsl.language.registry import Kind, Parameter
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE


def eta_min(doc: str) -> Parameter:
    return Parameter("eta_min", Kind.REAL, doc, 0.0, NOT_NEGATIVE)


def half_cosine(top: float, floor: float, part: float) -> float:
    """From ``top`` at ``part`` 0 to ``floor`` at 1."""
    return floor + (top - floor) * (1 + math.cos(math.pi * part)) / 2
