"""``weights = reram``: resistive memory, by the spread measured on a chip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.arrays._range import RANGE, TRANSPOSE, RangedArray, number_or_none
from ffebm_dsl.language.registry import ArrayConstruct, Kind, Parameter
from ffebm_dsl.physics.interfaces import Numbers

if TYPE_CHECKING:
    from torch import Tensor

G_MAX = 40.0
"""The largest conductance, in microsiemens."""

SPREAD: Mapping[str, tuple[float, ...]] = {
    "second": (0.348, 16.030, -43.853, 45.393, -16.815),
    "day": (0.701, 22.086, -50.773, 47.095, -16.458),
    "two_days": (0.782, 20.274, -43.507, 37.062, -11.934),
}
"""Standard deviation of the conductance, in microsiemens, over powers of g / G_MAX, by how long
after programming it was measured."""


@dataclass(frozen=True)
class ResistiveArray(RangedArray):
    """Pairs of resistive cells some time after programming."""

    after: str
    reprogrammed = True

    def programmed(self, weight: Tensor, numbers: Numbers) -> Tensor:
        high = self.limit(weight)
        cells = []
        for sign, way in ((1, "+"), (-1, "-")):
            g = (sign * weight / high).clamp(0, 1) * G_MAX
            r = g / G_MAX
            sigma = sum(c * r**k for k, c in enumerate(SPREAD[self.after]))
            cells.append((g + sigma * numbers.fresh(f"write{way}")).clamp_min(0))
        return (cells[0] - cells[1]) * (high / G_MAX)


CONSTRUCT = ArrayConstruct(
    "reram",
    "weights in pairs of resistive cells: the spread of conductances after programming",
    (
        RANGE,
        Parameter(
            "after",
            Kind.CHOICE,
            "how long after programming: the spread was measured three times",
            "second",
            choices=tuple(SPREAD),
        ),
        TRANSPOSE,
    ),
    equation="g in uS, r = g / 40: g + sigma(r) xi, nowhere below 0; after a second sigma = "
    "0.348 + 16.030 r - 43.853 r^2 + 45.393 r^3 - 16.815 r^4",
    source="Wan et al. 2022 (Nature 608), fitted in IBM's aihwkit (inference/noise/reram.py)",
    deviations=(
        "a weight is the difference of two cells, one of which is meant to be at 0 and has its "
        "errors too; xi is drawn anew whenever weights are programmed; the source advises read "
        "noise of 1 % besides (`read`)",
    ),
    make=lambda a: ResistiveArray(
        number_or_none(a["range"], "auto"), a["transpose_mismatch"], a["after"]
    ),
    asymmetric=lambda arguments: arguments["transpose_mismatch"] > 0,
)
