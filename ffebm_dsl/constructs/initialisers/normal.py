"""``init normal``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import InitialiserConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _draw(weight: Tensor, generator: Generator, *, std: float) -> None:
    weight.normal_(0.0, std, generator=generator)


CONSTRUCT = InitialiserConstruct(
    "normal",
    "normal weights",
    (Parameter("std", Kind.REAL, "standard deviation", bounds=POSITIVE),),
    equation="w normal with mean 0 and standard deviation std",
    draw=_draw,
)
