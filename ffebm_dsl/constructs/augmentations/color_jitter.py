"""``augment = [color_jitter()]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, AugmentationConstruct, Kind, Parameter, Shape
from ffebm_dsl.language.registry.parameters import PROBABILITY

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray
    from torch import Tensor

GREY = (0.299, 0.587, 0.114)
"""Luma of red, green and blue (ITU-R BT.601)."""

AMOUNTS = ("brightness", "contrast", "saturation")


def _apply(images: Tensor, draws: NDArray[float64], arguments: Arguments) -> Tensor:
    import torch

    values = images if images.is_floating_point() else images.float()
    amounts = [float(arguments[name]) for name in AMOUNTS]
    factors = torch.from_numpy(1 + (2 * draws - 1) * amounts).to(values)[:, :, None, None, None]
    values = values * factors[:, 0]
    if len(images[0]) == len(GREY):
        grey = (values * values.new_tensor(GREY)[:, None, None]).sum(1, keepdim=True)
    else:
        grey = values.mean(1, keepdim=True)
    mean = grey.mean((-2, -1), keepdim=True)
    # The grey image that colours are drawn towards has been drawn towards its mean before.
    values = mean + factors[:, 1] * (values - mean)
    grey = mean + factors[:, 1] * (grey - mean)
    values = grey + factors[:, 2] * (values - grey)
    if images.is_floating_point():
        return values
    return values.round().clamp(0, torch.iinfo(images.dtype).max).to(images.dtype)


def _conflict(arguments: Arguments) -> tuple[str, str] | None:
    if any(arguments[name] for name in AMOUNTS):
        return None
    return "every amount is 0: nothing is changed", "give `brightness=0.2`, or leave it out"


def _misfit(arguments: Arguments, shape: Shape) -> tuple[str, str] | None:
    if not arguments["saturation"] or shape[0] == len(GREY):
        return None
    return (
        f"color_jitter(saturation={arguments['saturation']:g}) needs images of 3 channels, "
        f"red, green and blue; these have {shape[0]}",
        "give `saturation=0`",
    )


CONSTRUCT = AugmentationConstruct(
    "color_jitter",
    "brightness, contrast and saturation changed by random factors",
    tuple(
        Parameter(name, Kind.REAL, f"factors of {name} are within 1 +- this", default, PROBABILITY)
        for name, default in zip(AMOUNTS, (0.2, 0.2, 0.0), strict=True)
    ),
    equation="y = b x; y = m + c (y - m), m the mean of y's grey image; y = g + s (y - g), g the "
    "grey image; b, c and s uniform on 1 +- brightness, contrast, saturation",
    source="PyTorch's ColorJitter",
    deviations=(
        "always in this order, and without a change of hue",
        "integers are kept between 0 and 255, other values are not bounded",
    ),
    apply=_apply,
    draws=3,
    misfit=_misfit,
    conflict=_conflict,
)
