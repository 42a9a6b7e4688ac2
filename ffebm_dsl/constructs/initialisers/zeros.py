"""``init zeros``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import InitialiserConstruct

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _draw(weight: Tensor, generator: Generator) -> None:
    weight.zero_()


CONSTRUCT = InitialiserConstruct("zeros", "all weights 0", equation="w = 0", draw=_draw, zero=True)
