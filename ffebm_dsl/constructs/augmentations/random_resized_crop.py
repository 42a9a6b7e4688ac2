"""``augment = [random_resized_crop()]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.augmentations._rectangle import (
    SCALE_BOUNDS,
    low_above_high,
    ratio,
    windows,
)
from ffebm_dsl.language.registry import Arguments, AugmentationConstruct, Kind, Parameter

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray
    from torch import Tensor


def _apply(images: Tensor, draws: NDArray[float64], arguments: Arguments) -> Tensor:
    import numpy as np
    import torch
    from torch.nn import functional as F

    height, width = images.shape[-2:]
    top, left, rows, columns = windows(draws, arguments, height, width)
    # The window in the coordinates of `affine_grid`, where an image runs from -1 to 1.
    affine = np.zeros((len(images), 2, 3))
    affine[:, 0, 0], affine[:, 1, 1] = columns / width, rows / height
    affine[:, 0, 2] = (2 * left + columns) / width - 1
    affine[:, 1, 2] = (2 * top + rows) / height - 1
    theta = torch.from_numpy(affine).to(images.device)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    values = images if images.is_floating_point() else images.float()
    cut = F.grid_sample(values, grid.to(values.dtype), padding_mode="border", align_corners=False)
    return cut if images.is_floating_point() else cut.round().to(images.dtype)


CONSTRUCT = AugmentationConstruct(
    "random_resized_crop",
    "a rectangle at a random place, resized to the image",
    (
        Parameter("low", Kind.REAL, "least part of the area", 0.08, SCALE_BOUNDS),
        Parameter("high", Kind.REAL, "largest part of the area", 1.0, SCALE_BOUNDS),
        ratio(0.75),
    ),
    equation="y is x in the rectangle, interpolated bilinearly; its part of the area uniform on "
    "[low, high], the logarithm of height / width uniform on [log ratio, -log ratio]",
    source="Szegedy et al. 2014, arXiv 1409.4842",
    deviations=(
        "a rectangle longer than the image is cut to it, where PyTorch draws again",
        "no low-pass filter before a rectangle is made smaller",
    ),
    apply=_apply,
    draws=4,
    conflict=low_above_high,
)
