"""``init kaiming_normal``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.initialisers._gain import GAIN
from ffebm_dsl.language.registry import InitialiserConstruct

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _draw(weight: Tensor, generator: Generator, *, gain: float) -> None:
    weight.normal_(0.0, gain / math.sqrt(weight[0].numel()), generator=generator)


CONSTRUCT = InitialiserConstruct(
    "kaiming_normal",
    "He's normal weights",
    (GAIN,),
    equation="w normal with mean 0 and standard deviation gain / sqrt(fan_in)",
    source="He et al. 2015, arXiv 1502.01852",
    deviations=("the gain is stated, 1 by default; the source's sqrt(2) for ReLU is `gain=1.414`",),
    draw=_draw,
)
