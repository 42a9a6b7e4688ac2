"""``augment = [hflip()]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, AugmentationConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import PROBABILITY

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray
    from torch import Tensor


def _apply(images: Tensor, draws: NDArray[float64], arguments: Arguments) -> Tensor:
    import torch

    flip = torch.from_numpy(draws[:, 0] < arguments["p"]).to(images.device)
    return torch.where(flip[:, None, None, None], images.flip(-1), images)


CONSTRUCT = AugmentationConstruct(
    "hflip",
    "left and right exchanged",
    (Parameter("p", Kind.REAL, "probability", 0.5, PROBABILITY),),
    equation="y[c,i,j] = x[c, i, W - 1 - j] with probability p, else x[c,i,j]",
    apply=_apply,
    draws=1,
)
