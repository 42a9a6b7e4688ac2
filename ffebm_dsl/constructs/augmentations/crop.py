"""``augment = [crop(4)]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, AugmentationConstruct, Kind, Parameter, Shape
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray
    from torch import Tensor


def _apply(images: Tensor, draws: NDArray[float64], arguments: Arguments) -> Tensor:
    import numpy as np
    import torch

    padding = arguments["padding"]
    height, width = images.shape[-2:]
    offsets = np.floor(draws * (2 * padding + 1)).astype(np.int64) - padding
    shift = torch.from_numpy(offsets).to(images.device)
    rows = torch.arange(height, device=images.device) + shift[:, :1]
    columns = torch.arange(width, device=images.device) + shift[:, 1:]
    batch = torch.arange(len(images), device=images.device)
    # Advanced indexing around a slice puts the channels last.
    cut = images[
        batch[:, None, None],
        :,
        rows.clamp(0, height - 1)[:, :, None],
        columns.clamp(0, width - 1)[:, None, :],
    ].movedim(-1, 1)
    if arguments["mode"] == "edge":
        return cut
    inside = ((rows >= 0) & (rows < height))[:, None, :, None]
    inside = inside & ((columns >= 0) & (columns < width))[:, None, None, :]
    return cut * inside.to(cut.dtype)


def _misfit(arguments: Arguments, shape: Shape) -> tuple[str, str] | None:
    padding, (height, width) = arguments["padding"], shape[-2:]
    if padding < min(height, width):
        return None
    return (
        f"crop(padding={padding}) on images of {height} x {width}: a window can lie in the "
        "padding alone",
        f"give a padding of at most {min(height, width) - 1}; 4 is usual for 32 x 32",
    )


CONSTRUCT = AugmentationConstruct(
    "crop",
    "a window of the image's size, placed at random in the padded image",
    (
        Parameter("padding", Kind.INT, "rows and columns added", bounds=AT_LEAST_ONE),
        Parameter("mode", Kind.CHOICE, "content of the padding", "edge", choices=("edge", "zeros")),
    ),
    equation="y[c,i,j] = x[c, i + a, j + b], a and b uniform on {-padding, ..., padding}",
    apply=_apply,
    draws=2,
    misfit=_misfit,
)
