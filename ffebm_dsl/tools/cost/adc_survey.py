"""The energy of an analog-to-digital conversion, by a regression over published converters."""

from __future__ import annotations

import math

FEWEST = 4
"""Bits below which the regression has no converters."""


def adc_survey(bits: int, node: float, rate: float) -> float:
    """Joules per conversion of so many bits, at ``node`` nanometres and ``rate`` per second.

    A regression of area and power over Murmann's survey, as in the plug-in for Accelergy
    (Accelergy-Project/accelergy-adc-plug-in, model.py). Flat in the rate up to where the
    figure of merit begins to fall with it.

    Raises:
        ValueError: fewer bits than the survey covers.
    """
    if bits < FEWEST:
        raise ValueError(f"the survey has no converter of {bits} bits: {FEWEST} or more")
    merit = min(213.7807 - 2.87190 * math.log(rate), 128.3068 + 3.22051 * bits)
    noise = 6.02 * bits + 1.76
    scale = math.exp(26.0496 + 1.88004 * math.log(node) - 2.82913 * math.log(bits) - 1.47020)
    return scale / (2 * 10 ** ((merit - noise) / 10)) * 1e-12
