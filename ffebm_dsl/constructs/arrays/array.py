"""``weights = array(...)``: the usual imperfections, each with a parameter of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.arrays._range import RANGE, TRANSPOSE, RangedArray, number_or_none
from ffebm_dsl.language.registry import Arguments, ArrayConstruct, Bounds, Kind, Parameter
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE
from ffebm_dsl.physics.interfaces import Numbers

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PlainArray(RangedArray):
    """Clipped and quantised weights with errors of writing and of fabrication."""

    levels: int | None
    write_noise: float
    mismatch: float

    def programmed(self, weight: Tensor, numbers: Numbers) -> Tensor:
        from ffebm_dsl.physics.hardware.quantise import quantise

        high = self.limit(weight)
        held = weight if self.range is None else weight.clamp(-high, high)
        if self.levels is not None:
            held = quantise(held, -float(high), float(high), 2 * self.levels - 1)
        if self.write_noise > 0:
            held = held + self.write_noise * high * numbers.fresh("write")
        if self.mismatch > 0:
            held = held * (1 + self.mismatch * numbers.fixed("mismatch"))
        return held

    @property
    def reprogrammed(self) -> bool:
        return self.write_noise > 0


def _make(arguments: Arguments) -> PlainArray:
    levels = number_or_none(arguments["levels"], "ideal")
    return PlainArray(
        number_or_none(arguments["range"], "auto"),
        arguments["transpose_mismatch"],
        None if levels is None else int(levels),
        arguments["write_noise"],
        arguments["mismatch"],
    )


CONSTRUCT = ArrayConstruct(
    "array",
    "weights as differences of two conductances, with errors stated one by one",
    (
        RANGE,
        Parameter(
            "levels",
            Kind.INT,
            "levels of a conductance, 0 included: a weight has twice as many, less one",
            "ideal",
            Bounds(low=2),
            choices=("ideal",),
        ),
        Parameter(
            "write_noise",
            Kind.REAL,
            "standard deviation of the error of programming, as a part of the range",
            0.0,
            NOT_NEGATIVE,
        ),
        Parameter(
            "mismatch",
            Kind.REAL,
            "standard deviation of the relative error of each weight, fixed",
            0.0,
            NOT_NEGATIVE,
        ),
        TRANSPOSE,
    ),
    equation="W~ = (quantise(clip(W)) + write_noise range xi_w) (1 + mismatch xi), back: "
    "W~ (1 + transpose_mismatch xi'); xi_w anew whenever weights are programmed, xi, xi' fixed",
    make=_make,
    asymmetric=lambda arguments: arguments["transpose_mismatch"] > 0,
    drawn=lambda arguments: any(
        arguments[name] > 0 for name in ("write_noise", "mismatch", "transpose_mismatch")
    ),
)
