"""``init xavier_normal``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.initialisers._gain import GAIN
from ffebm_dsl.language.registry import InitialiserConstruct

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _draw(weight: Tensor, generator: Generator, *, gain: float) -> None:
    from torch.nn import init

    init.xavier_normal_(weight, gain=gain, generator=generator)


CONSTRUCT = InitialiserConstruct(
    "xavier_normal",
    "Glorot's normal weights",
    (GAIN,),
    equation="w normal with mean 0 and standard deviation gain sqrt(2 / (fan_in + fan_out))",
    source="Glorot and Bengio 2010 (AISTATS)",
    draw=_draw,
)
