"""``augment = [cutmix()]``."""

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
    import numpy as np
    import torch

    side = np.sqrt(1 - parts(draws, arguments))
    inside = []
    for drawn, size in zip(draws[:, 2:].T, samples.shape[-2:], strict=True):
        middle, half = np.floor(drawn * size), np.floor(side * size / 2)
        place = np.arange(size)
        ends = (middle - half)[:, None], (middle + half)[:, None]
        inside.append((place >= ends[0]) & (place < ends[1]))
    cut = inside[0][:, :, None] & inside[1][:, None, :]
    mask = torch.from_numpy(cut).to(samples.device)[:, None]
    own = torch.from_numpy(1 - cut.mean((1, 2))).to(samples)
    return torch.where(mask, others, samples), own


CONSTRUCT = AugmentationConstruct(
    "cutmix",
    "a rectangle is taken from another image, and its part of the target",
    PARAMETERS,
    equation="x[c,i,j] = x2[c,i,j] inside the rectangle, else x1[c,i,j]; y = l y1 + (1 - l) y2, l "
    "the part of the pixels outside, with y1, y2 one-hot vectors where they are labels; sides "
    "sqrt(1 - m) H and sqrt(1 - m) W around a uniform place, cut at the edges, m ~ Beta(alpha, "
    "alpha) with probability p, else 1",
    source="Yun et al. 2019, arXiv 1905.04899",
    deviations=DEVIATIONS,
    mix=_mix,
    draws=4,
)
