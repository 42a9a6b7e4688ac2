"""Rectangles of random area, shape and place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ffebm_dsl.language.registry import Arguments, Bounds, Kind, Parameter

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

SCALE_BOUNDS = Bounds(low=0, high=1, open_low=True)


def ratio(default: float) -> Parameter:
    return Parameter("ratio", Kind.REAL, "least height / width", default, SCALE_BOUNDS)


def low_above_high(arguments: Arguments) -> tuple[str, str] | None:
    if arguments["low"] <= arguments["high"]:
        return None
    return "`low` is above `high`", "exchange them"


def windows(
    draws: NDArray[float64], arguments: Arguments, height: int, width: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Top, left, rows and columns (B,), whole numbers, of the rectangles of ``draws`` (B, 4).

    They lie in the image and hold at least one pixel.
    """
    import numpy as np

    low, high, least = (float(arguments[name]) for name in ("low", "high", "ratio"))
    area = (low + (high - low) * draws[:, 0]) * height * width
    shape = least ** (1 - 2 * draws[:, 1])
    rows = np.clip(np.round(np.sqrt(area * shape)), 1, height)
    columns = np.clip(np.round(np.sqrt(area / shape)), 1, width)
    top = np.floor(draws[:, 2] * (height - rows + 1))
    left = np.floor(draws[:, 3] * (width - columns + 1))
    return top, left, rows, columns
