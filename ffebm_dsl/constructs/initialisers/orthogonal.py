"""``init orthogonal``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.initialisers._gain import GAIN
from ffebm_dsl.language.registry import InitialiserConstruct

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _draw(weight: Tensor, generator: Generator, *, gain: float) -> None:
    from torch.nn import init

    init.orthogonal_(weight, gain=gain, generator=generator)


CONSTRUCT = InitialiserConstruct(
    "orthogonal",
    "orthogonal weights",
    (GAIN,),
    equation="W W^T = gain^2 I or W^T W = gain^2 I, W the weight as outputs x (all inputs)",
    source="Saxe, McClelland and Ganguli 2013, arXiv 1312.6120",
    draw=_draw,
)
