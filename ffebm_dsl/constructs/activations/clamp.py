"""The activation ``clamp``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.language.registry import ActivationConstruct, Arguments, Kind, Parameter
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Clamp(Activation):
    """``sigma(v) = clamp(a v, low, high)``; ``G(s) = s^2 / 2a`` on [low, high].

    Raises:
        ValueError: ``low`` is not below ``high``.
    """

    quadratic = True
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low < self.high:
            raise ValueError(f"low must be below high, and {self.low} is not below {self.high}")

    def __call__(self, v: Tensor) -> Tensor:
        return (self.slope * v).clamp(self.low, self.high)

    def overwrite(self, v: Tensor) -> Tensor:
        return v.mul_(self.slope).clamp_(self.low, self.high)

    def derivative(self, v: Tensor) -> Tensor:
        u = self.slope * v
        return self.slope * ((u >= self.low) & (u <= self.high)).to(v.dtype)

    def potential(self, s: Tensor) -> Tensor:
        return s.square() / (2 * self.slope)

    @property
    def clip(self) -> tuple[float, float]:
        return self.low, self.high


def _conflict(arguments: Arguments) -> tuple[str, str] | None:
    low, high = arguments["low"], arguments["high"]
    if low < high:
        return None
    return f"`low` is {low:g}, which is not below `high`, {high:g}", "exchange them"


CONSTRUCT = ActivationConstruct(
    "clamp",
    "clamp(a v, low, high)",
    (
        Parameter("low", Kind.REAL, "smallest state", -1.0),
        Parameter("high", Kind.REAL, "largest state", 1.0),
        SLOPE,
    ),
    equation="s = min(max(a v, low), high); G(s) = s^2 / (2 a) on [low, high]",
    make=Clamp,
    conflict=_conflict,
)
