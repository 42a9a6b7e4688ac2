"""``augment = [mixup()]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.augmentations._mixing import DEVIATIONS, PARAMETERS, parts
from ffebm_dsl.language.registry import Arguments, AugmentationConstruct

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray
    from torch import Tensor


def _mix(
    samples: Tensor, others: Tensor, draws: NDArray[float64], arguments: Arguments
) -> tuple[Tensor, Tensor]:
    import torch

    own = torch.from_numpy(parts(draws, arguments)).to(samples)
    return others + own.view(-1, *[1] * (samples.dim() - 1)) * (samples - others), own


CONSTRUCT = AugmentationConstruct(
    "mixup",
    "a weighted mean with another sample, and of both targets",
    PARAMETERS,
    equation="x = l x1 + (1 - l) x2, y = l y1 + (1 - l) y2 with y1, y2 one-hot vectors where they "
    "are labels; l ~ Beta(alpha, alpha) with probability p, else 1",
    source="Zhang et al. 2018, arXiv 1710.09412",
    deviations=DEVIATIONS,
    mix=_mix,
    draws=2,
    image_only=False,
)
