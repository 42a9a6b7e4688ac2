"""Augmentation of whole batches, each sample by its own key."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.registry import AUGMENTATIONS
from ffebm_dsl.running.training import keyed


def augment(
    augmentations: Sequence[CallIR],
    images: Tensor,
    indices: NDArray[np.int64],
    *,
    seed: int,
    epoch: int,
) -> Tensor:
    """All augmentations in order, on images (B, C, H, W) of the samples ``indices`` (B,)."""
    first = 0
    for call in augmentations:
        augmentation = AUGMENTATIONS[call.name]
        number = np.arange(first, first + augmentation.draws)
        draws = keyed.uniform(
            keyed.Purpose.AUGMENTATION, seed, epoch, indices[:, None], number[None, :]
        )
        images = augmentation.apply(images, draws, call.arguments)
        first += augmentation.draws
    return images
