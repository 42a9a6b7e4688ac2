"""``weights = pcm``: phase-change memory, by the statistical model of IBM's cells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.arrays._range import RANGE, TRANSPOSE, RangedArray, number_or_none
from ffebm_dsl.language.registry import ArrayConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE
from ffebm_dsl.physics.interfaces import Numbers

if TYPE_CHECKING:
    from torch import Tensor

G_MAX = 25.0
"""The largest conductance, in microsiemens."""

PROGRAMMING = (0.26348, 1.9650, -1.1731)
"""Standard deviation of the programmed conductance, in microsiemens, over powers of g / G_MAX."""

T_0, T_READ = 20.0, 250e-9
"""When the first reading is after programming, and how long it takes, in seconds."""


@dataclass(frozen=True)
class PhaseChangeArray(RangedArray):
    """Pairs of phase-change cells, ``time`` seconds after the first reading."""

    time: float
    compensated: bool
    reprogrammed = True

    def programmed(self, weight: Tensor, numbers: Numbers) -> Tensor:
        high = self.limit(weight)
        cells = [(sign * weight / high).clamp(0, 1) * G_MAX for sign in (1, -1)]
        written = [self._written(g, numbers, way) for g, way in zip(cells, "+-", strict=True)]
        final = [
            self._aged(g, target, numbers, way)
            for g, target, way in zip(written, cells, "+-", strict=True)
        ]
        held = (final[0] - final[1]) * (high / G_MAX)
        if self.compensated:
            first = (written[0] - written[1]) * (high / G_MAX)
            held = held * (first.abs().mean() / held.abs().mean().clamp_min(1e-30))
        return held

    def _written(self, g: Tensor, numbers: Numbers, way: str) -> Tensor:
        r = g / G_MAX
        sigma = PROGRAMMING[0] + PROGRAMMING[1] * r + PROGRAMMING[2] * r.square()
        return (g + sigma * numbers.fresh(f"write{way}")).clamp_min(0)

    def _aged(self, g: Tensor, target: Tensor, numbers: Numbers, way: str) -> Tensor:
        t = self.time + T_0
        drifted = g
        if self.time > 0:
            log = (target / G_MAX).clamp_min(1e-7).log()
            mean = (-0.0155 * log + 0.0244).clamp(0.049, 0.1)
            spread = (-0.0125 * log - 0.0059).clamp(0.008, 0.045)
            nu = (mean + spread * numbers.fixed(f"drift{way}")).abs()
            drifted = g * (t / T_0) ** -nu
        q = (0.0088 / (g / G_MAX).pow(0.65).clamp_min(1e-3)).clamp_max(0.2)
        sigma = q * math.sqrt(math.log((t + T_READ) / (2 * T_READ)))
        return (drifted + drifted * sigma * numbers.fresh(f"read{way}")).clamp_min(0)


CONSTRUCT = ArrayConstruct(
    "pcm",
    "weights in pairs of phase-change cells: errors of programming, drift and 1/f noise",
    (
        RANGE,
        Parameter(
            "time",
            Kind.REAL,
            "seconds since the first reading, 20 s after programming",
            0.0,
            NOT_NEGATIVE,
        ),
        Parameter(
            "compensated",
            Kind.BOOL,
            "one factor per tensor restores the mean magnitude that it had before the drift",
            False,
        ),
        TRANSPOSE,
    ),
    equation="g in uS, r = g / 25: written g + (0.26348 + 1.9650 r - 1.1731 r^2) xi_w; drifted "
    "g (t / 20 s)^-nu, nu = |m + s xi_d|, m = clip(-0.0155 ln r + 0.0244, 0.049, 0.1), "
    "s = clip(-0.0125 ln r - 0.0059, 0.008, 0.045); read g (1 + q sqrt(ln((t + 250 ns) / 500 ns)) "
    "xi_r), q = min(0.0088 / r^0.65, 0.2); t = time + 20 s; nowhere below 0",
    source="Nandakumar et al. 2019 (ICECS), as IBM's aihwkit has it (inference/noise/pcm.py)",
    deviations=(
        "a weight is the difference of two cells, one of which is meant to be at 0 and has its "
        "errors too; xi_w and xi_r are drawn anew whenever weights are programmed, xi_d is fixed",
    ),
    make=lambda a: PhaseChangeArray(
        number_or_none(a["range"], "auto"), a["transpose_mismatch"], a["time"], a["compensated"]
    ),
    asymmetric=lambda arguments: arguments["transpose_mismatch"] > 0,
)
