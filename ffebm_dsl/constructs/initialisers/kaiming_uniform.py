"""``init kaiming_uniform``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.initialisers._gain import GAIN
from ffebm_dsl.language.registry import InitialiserConstruct

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _draw(weight: Tensor, generator: Generator, *, gain: float) -> None:
    bound = gain * math.sqrt(3 / weight[0].numel())
    weight.uniform_(-bound, bound, generator=generator)


CONSTRUCT = InitialiserConstruct(
    "kaiming_uniform",
    "He's uniform weights",
    (GAIN,),
    equation="w uniform on [-a, a], a = gain sqrt(3 / fan_in)",
    source="He et al. 2015, arXiv 1502.01852",
    deviations=("the gain is stated, 1 by default; the source's sqrt(2) for ReLU is `gain=1.414`",),
    draw=_draw,
)
