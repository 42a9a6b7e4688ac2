"""``init uniform``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, InitialiserConstruct, Kind, Parameter

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _draw(weight: Tensor, generator: Generator, *, low: float, high: float) -> None:
    weight.uniform_(low, high, generator=generator)


def _conflict(arguments: Arguments) -> tuple[str, str] | None:
    low, high = arguments["low"], arguments["high"]
    if low < high:
        return None
    return f"`low` is {low:g}, which is not below `high`, {high:g}", "let `low` be the smaller one"


CONSTRUCT = InitialiserConstruct(
    "uniform",
    "uniform weights",
    (
        Parameter("low", Kind.REAL, "smallest weight", 0.0),
        Parameter("high", Kind.REAL, "largest weight", 1.0),
    ),
    equation="w uniform on [low, high]",
    draw=_draw,
    conflict=_conflict,
)
