"""The activation ``diode``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import ActivationConstruct, Kind, Parameter
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor

SIGNS = ("pair", "plus", "minus")


@dataclass(frozen=True)
class Diode(Activation):
    """States of one sign, each kept so by an ideal diode; ``G(s) = s^2 / 2`` where they may be.

    ``sign`` is ``plus`` (every state at or above 0), ``minus`` (at or below), or ``pair``: the
    first half of a layer's units or channels, rounded up, is ``plus``, the others ``minus``.
    States are (B, units, ...).

    Raises:
        ValueError: an unknown sign.
    """

    sign: str = "pair"

    quadratic = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sign not in SIGNS:
            raise ValueError(f"unknown sign {self.sign!r}; known: {', '.join(SIGNS)}")

    def __call__(self, v: Tensor) -> Tensor:
        import torch

        above, below = self._split(v)
        return torch.cat([above.relu(), -(-below).relu()], 1)

    def overwrite(self, v: Tensor) -> Tensor:
        return self.project(v)

    def derivative(self, v: Tensor) -> Tensor:
        import torch

        above, below = self._split(v)
        return torch.cat([above > 0, below < 0], 1).to(v.dtype)

    def potential(self, s: Tensor) -> Tensor:
        return s.square() / 2

    def project(self, s: Tensor) -> Tensor:
        above, below = self._split(s)
        above.clamp_(min=0.0)
        below.clamp_(max=0.0)
        return s

    def cut_off(self, s: Tensor) -> tuple[Tensor, Tensor]:
        import torch

        above, below = self._split(s)
        low, high = above <= 0, below >= 0
        return (
            torch.cat([low, torch.zeros_like(high)], 1),
            torch.cat([torch.zeros_like(low), high], 1),
        )

    def kink_distance(self, v: Tensor) -> Tensor:
        return v.abs()

    @property
    def clip(self) -> tuple[float, float]:
        return {"plus": (0.0, math.inf), "minus": (-math.inf, 0.0), "pair": (-math.inf, math.inf)}[
            self.sign
        ]

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The units whose states are at or above 0, and those whose are at or below."""
        units = x.shape[1]
        first = {"plus": units, "minus": 0, "pair": (units + 1) // 2}[self.sign]
        return x[:, :first], x[:, first:]


CONSTRUCT = ActivationConstruct(
    "diode",
    "states of one sign: an ideal diode at every unit",
    (
        Parameter(
            "sign",
            Kind.CHOICE,
            "at least 0 (plus), at most 0 (minus), or the first half of the units or channels plus "
            "and the others minus (pair)",
            "pair",
            choices=SIGNS,
        ),
    ),
    equation="s = max(v, 0) or s = min(v, 0); G(s) = s^2 / 2 where s may be",
    source="Kendall et al. 2020, arXiv 2006.01981; in halves: Scellier 2024, arXiv 2402.11674",
    make=lambda sign=SIGNS[0]: Diode(sign=sign),
)
