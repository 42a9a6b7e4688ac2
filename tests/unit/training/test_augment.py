"""Augmentation acts per sample, by key, on whole batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from ffebm_dsl.ir.model import CallIR
from ffebm_dsl.training.augment import Crop, HorizontalFlip, augment, from_calls

IMAGES = torch.arange(2 * 3 * 5 * 4).reshape(2, 3, 5, 4).to(torch.uint8)


def test_flip_mirrors_the_samples_whose_draw_is_below_p() -> None:
    flipped = HorizontalFlip(0.5).apply(IMAGES, np.array([[0.49], [0.5]]))
    assert torch.equal(flipped[0], IMAGES[0].flip(-1))
    assert torch.equal(flipped[1], IMAGES[1])


@pytest.mark.parametrize(("mode", "padding_mode"), [("edge", "replicate"), ("zeros", "constant")])
@pytest.mark.parametrize("draws", [(0.0, 0.0), (0.999, 0.999), (0.5, 0.1), (0.3, 0.9)])
def test_crop_cuts_from_the_padded_image(
    mode: str, padding_mode: str, draws: tuple[float, float]
) -> None:
    padding = 2
    padded = pad(IMAGES.float(), [padding] * 4, padding_mode).to(torch.uint8)
    top, left = (int(draw * (2 * padding + 1)) for draw in draws)
    cut = Crop(padding, mode).apply(IMAGES, np.array([draws, draws]))
    assert torch.equal(cut, padded[..., top : top + 5, left : left + 4])
    assert cut.dtype == IMAGES.dtype


def test_every_offset_of_a_crop_occurs() -> None:
    image = torch.arange(1, 10, dtype=torch.float32).reshape(1, 1, 3, 3)
    indices = np.arange(400)
    cuts = augment([Crop(1, "zeros")], image.expand(400, 1, 3, 3), indices, seed=0, epoch=0)
    assert len({tuple(cut.flatten().tolist()) for cut in cuts}) == 9


def test_a_sample_is_augmented_alike_in_any_batch() -> None:
    chain = from_calls(
        [CallIR("hflip", {"p": 0.5}), CallIR("crop", {"padding": 2, "mode": "edge"})]
    )
    images = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    indices = np.arange(20)
    together = augment(chain, images, indices, seed=1, epoch=2)
    for i in (0, 7, 19):
        alone = augment(chain, images[i : i + 1], indices[i : i + 1], seed=1, epoch=2)
        assert torch.equal(alone[0], together[i])
    assert not torch.equal(together, augment(chain, images, indices, seed=1, epoch=3))
    assert not torch.equal(together, augment(chain, images, indices, seed=2, epoch=2))


def test_two_equal_augmentations_in_a_row_draw_apart() -> None:
    images = torch.arange(4.0).reshape(1, 1, 1, 4).expand(200, 1, 1, 4)
    twice = augment([HorizontalFlip(0.5)] * 2, images, np.arange(200), seed=0, epoch=0)
    mirrored = (twice[:, 0, 0, 0] == 3).double().mean()
    assert 0.3 < mirrored < 0.7
