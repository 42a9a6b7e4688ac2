"""``init default``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import InitialiserConstruct

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _draw(weight: Tensor, generator: Generator) -> None:
    from torch.nn import init

    init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)


CONSTRUCT = InitialiserConstruct(
    "default",
    "PyTorch's own initialisation of conv2d and linear",
    equation="w uniform on [-1 / sqrt(fan_in), 1 / sqrt(fan_in)]",
    deviations=("the numbers are drawn in float64 from the spec's seed, not from torch's",),
    draw=_draw,
)
