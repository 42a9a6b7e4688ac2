"""``augment = [random_erasing()]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ffebm_dsl.constructs.augmentations._rectangle import (
    SCALE_BOUNDS,
    low_above_high,
    ratio,
    windows,
)
from ffebm_dsl.language.registry import Arguments, AugmentationConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import PROBABILITY

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray
    from torch import Tensor


def _apply(images: Tensor, draws: NDArray[float64], arguments: Arguments) -> Tensor:
    import torch

    height, width = images.shape[-2:]
    top, left, rows, columns = windows(draws[:, 1:], arguments, height, width)
    erased = draws[:, 0] < arguments["p"]
    y = torch.arange(height, device=images.device)[None, :, None]
    x = torch.arange(width, device=images.device)[None, None, :]

    def column(values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(images.device)[:, None, None]

    inside = (y >= column(top)) & (y < column(top + rows))
    inside = inside & (x >= column(left)) & (x < column(left + columns)) & column(erased)
    return images.masked_fill(inside[:, None], 0)


CONSTRUCT = AugmentationConstruct(
    "random_erasing",
    "a rectangle at a random place is set to 0",
    (
        Parameter("p", Kind.REAL, "probability", 0.5, PROBABILITY),
        Parameter("low", Kind.REAL, "least part of the area", 0.02, SCALE_BOUNDS),
        Parameter("high", Kind.REAL, "largest part of the area", 0.33, SCALE_BOUNDS),
        ratio(0.3),
    ),
    equation="y[c,i,j] = 0 inside the rectangle, else x[c,i,j]; its part of the area uniform on "
    "[low, high], the logarithm of height / width uniform on [log ratio, -log ratio]",
    source="Zhong et al. 2017, arXiv 1708.04896",
    deviations=(
        "what is erased is 0 before the data are normalised, not random",
        "a rectangle longer than the image is cut to it, where PyTorch draws again",
    ),
    apply=_apply,
    draws=5,
    conflict=low_above_high,
)
