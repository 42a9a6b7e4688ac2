"""Augmentation of whole batches of images, each sample by its own key."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.running.training import keyed

Draws = NDArray[np.float64]


class Augmentation(ABC):
    """A random change of images; ``draws`` says how many numbers in [0, 1) a sample needs."""

    draws: int

    @abstractmethod
    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """Changed images, (B, C, H, W) as given, from ``draws`` (B, self.draws)."""


@dataclass(frozen=True)
class HorizontalFlip(Augmentation):
    """Mirror left and right with probability ``p``."""

    p: float
    draws = 1

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        flip = torch.from_numpy(draws[:, 0] < self.p).to(images.device)
        return torch.where(flip[:, None, None, None], images.flip(-1), images)


@dataclass(frozen=True)
class Crop(Augmentation):
    """Pad all sides by ``padding`` pixels, then cut out the original size at a random place.

    ``mode`` is ``edge`` (repeat the border pixels) or ``zeros``.
    """

    padding: int
    mode: str
    draws = 2

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        height, width = images.shape[-2:]
        offsets = np.floor(draws * (2 * self.padding + 1)).astype(np.int64) - self.padding
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
        if self.mode == "edge":
            return cut
        inside = ((rows >= 0) & (rows < height))[:, None, :, None]
        inside = inside & ((columns >= 0) & (columns < width))[:, None, None, :]
        return cut * inside.to(cut.dtype)


def from_calls(calls: Sequence[CallIR]) -> tuple[Augmentation, ...]:
    """The augmentations that a spec's ``augment=[...]`` names, in order."""
    return tuple(_from_call(call) for call in calls)


def _from_call(call: CallIR) -> Augmentation:
    values: Mapping[str, Any] = call.arguments
    match call.name:
        case "hflip":
            return HorizontalFlip(float(values["p"]))
        case "crop":
            return Crop(int(values["padding"]), str(values["mode"]))
    raise KeyError(f"the registry offers an augmentation {call.name!r} that training does not know")


def augment(
    augmentations: Sequence[Augmentation],
    images: Tensor,
    indices: NDArray[np.int64],
    *,
    seed: int,
    epoch: int,
) -> Tensor:
    """All augmentations in order, on images (B, C, H, W) of the samples ``indices`` (B,)."""
    first = 0
    for augmentation in augmentations:
        number = np.arange(first, first + augmentation.draws)
        draws = keyed.uniform(
            keyed.Stream.AUGMENTATION, seed, epoch, indices[:, None], number[None, :]
        )
        images = augmentation.apply(images, draws)
        first += augmentation.draws
    return images
