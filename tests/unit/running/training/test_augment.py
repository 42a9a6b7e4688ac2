"""Augmentation acts per sample, by key, on whole batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import pad

from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.registry import AUGMENTATIONS
from ffebm_dsl.running.training.augment import augment

FLIP, CROP = AUGMENTATIONS["hflip"], AUGMENTATIONS["crop"]


def augmented(chain: list[CallIR], images: Tensor, *arguments: Any, **key: int) -> Tensor:
    """The images of a network's only input, augmented."""
    return augment(chain, (images,), *arguments, **key)[0]


IMAGES = torch.arange(2 * 3 * 5 * 4).reshape(2, 3, 5, 4).to(torch.uint8)


def test_flip_mirrors_the_samples_whose_draw_is_below_p() -> None:
    flipped = FLIP.apply(IMAGES, np.array([[0.49], [0.5]]), {"p": 0.5})
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
    cut = CROP.apply(IMAGES, np.array([draws, draws]), {"padding": padding, "mode": mode})
    assert torch.equal(cut, padded[..., top : top + 5, left : left + 4])
    assert cut.dtype == IMAGES.dtype


def test_every_offset_of_a_crop_occurs() -> None:
    image = torch.arange(1, 10, dtype=torch.float32).reshape(1, 1, 3, 3)
    indices = np.arange(400)
    cuts = augmented(
        [CallIR("crop", {"padding": 1, "mode": "zeros"})],
        image.expand(400, 1, 3, 3),
        indices,
        seed=0,
        epoch=0,
    )
    assert len({tuple(cut.flatten().tolist()) for cut in cuts}) == 9


def test_a_sample_is_augmented_alike_in_any_batch() -> None:
    chain = [CallIR("hflip", {"p": 0.5}), CallIR("crop", {"padding": 2, "mode": "edge"})]
    images = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    indices = np.arange(20)
    together = augmented(chain, images, indices, seed=1, epoch=2)
    for i in (0, 7, 19):
        alone = augmented(chain, images[i : i + 1], indices[i : i + 1], seed=1, epoch=2)
        assert torch.equal(alone[0], together[i])
    assert not torch.equal(together, augmented(chain, images, indices, seed=1, epoch=3))
    assert not torch.equal(together, augmented(chain, images, indices, seed=2, epoch=2))


def test_two_equal_augmentations_in_a_row_draw_apart() -> None:
    images = torch.arange(4.0).reshape(1, 1, 1, 4).expand(200, 1, 1, 4)
    twice = augmented([CallIR("hflip", {"p": 0.5})] * 2, images, np.arange(200), seed=0, epoch=0)
    mirrored = (twice[:, 0, 0, 0] == 3).double().mean()
    assert 0.3 < mirrored < 0.7


DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    ),
]
CHAINS = st.lists(
    st.one_of(
        st.floats(0, 1).map(lambda p: CallIR("hflip", {"p": p})),
        st.builds(
            lambda padding, mode: CallIR("crop", {"padding": padding, "mode": mode}),
            st.integers(1, 6),
            st.sampled_from(["edge", "zeros"]),
        ),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=40, deadline=None)
@given(chain=CHAINS, data=st.data(), as_float=st.booleans())
def test_bits_depend_on_neither_batches_nor_device(
    device: str, chain: list[CallIR], data: st.DataObject, as_float: bool
) -> None:
    """Any samples, in any order and any batches, on any device: what each alone gets on the CPU."""
    size = data.draw(st.integers(1, 9))
    sides = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)))
    images = torch.randint(0, 256, (size, *sides), generator=torch.Generator().manual_seed(0))
    images = images.to(torch.float32) if as_float else images.to(torch.uint8)
    indices = np.array(data.draw(st.lists(st.integers(0, 2**40), min_size=size, max_size=size)))
    key = {"seed": data.draw(st.integers(0, 2**31)), "epoch": data.draw(st.integers(0, 1000))}
    alone = torch.cat(
        [augmented(chain, images[i : i + 1], indices[i : i + 1], **key) for i in range(size)]
    )
    order = np.array(data.draw(st.permutations(range(size))))
    cut = data.draw(st.integers(0, size))
    for part in (order[:cut], order[cut:]):
        there = augmented(chain, images[part].to(device), indices[part], **key)
        assert there.device.type == device and there.dtype == images.dtype
        assert torch.equal(there.cpu(), alone[part])


@settings(max_examples=40, deadline=None)
@given(
    padding=st.integers(1, 5),
    mode=st.sampled_from(["edge", "zeros"]),
    draws=st.lists(st.tuples(*[st.floats(0, 1, exclude_max=True)] * 2), min_size=1, max_size=6),
)
def test_every_crop_is_a_window_of_the_padded_image(
    padding: int, mode: str, draws: list[tuple[float, float]]
) -> None:
    images = torch.rand(len(draws), 2, 6, 5, generator=torch.Generator().manual_seed(1))
    padded = pad(images, [padding] * 4, "replicate" if mode == "edge" else "constant")
    cut = CROP.apply(images, np.array(draws), {"padding": padding, "mode": mode})
    for image, window, (down, right) in zip(padded, cut, draws, strict=True):
        top, left = int(down * (2 * padding + 1)), int(right * (2 * padding + 1))
        assert torch.equal(window, image[:, top : top + 6, left : left + 5])


def test_flips_and_offsets_have_the_frequencies_of_the_paper() -> None:
    """20,000 samples, 81 windows, two orientations: no part is off by five deviations."""
    samples, side = 20_000, 20
    image = torch.arange(float(side * side)).reshape(1, 1, side, side)
    chain = [CallIR("hflip", {"p": 0.5}), CallIR("crop", {"padding": 4, "mode": "edge"})]
    out = augmented(
        chain, image.expand(samples, 1, side, side), np.arange(samples), seed=3, epoch=0
    )
    middle, right = out[:, 0, 10, 10].numpy().astype(int), out[:, 0, 10, 11].numpy().astype(int)
    flipped = right < middle
    rows, columns = np.divmod(middle, side)
    down, across = rows - 10, np.where(flipped, side - 1 - columns, columns) - 10
    assert {*down} == {*across} == {*range(-4, 5)}
    windows = np.bincount((down + 4) * 9 + across + 4, minlength=81)
    assert np.abs(windows - samples / 81).max() < 5 * np.sqrt(samples / 81)
    assert abs(flipped.mean() - 0.5) < 5 * 0.5 / np.sqrt(samples)


def varied(name: str, draws: list[list[float]], images: torch.Tensor, **arguments: float) -> Tensor:
    construct = AUGMENTATIONS[name]
    values = {p.name: p.default for p in construct.parameters} | arguments
    changed: Tensor = construct.apply(images, np.array(draws), values)
    return changed


def test_erasing_sets_a_rectangle_of_the_drawn_area_to_zero() -> None:
    images = torch.ones(2, 3, 8, 8)
    # A quarter of 64 pixels, as high as wide; the second sample is left alone.
    arguments = {"low": 0.25, "high": 0.25, "p": 0.5}
    erased = varied("random_erasing", [[0.4, 0, 0.5, 0.99, 0], [0.6] * 5], images, **arguments)
    expected = torch.ones(3, 8, 8)
    expected[:, 4:, :4] = 0
    assert torch.equal(erased[0], expected) and torch.equal(erased[1], images[1])


def test_a_resized_crop_is_what_torch_interpolates() -> None:
    images = torch.rand(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    whole = varied("random_resized_crop", [[0.0, 0.5, 0, 0]], images, low=1, high=1)
    assert torch.allclose(whole, images, atol=1e-6)
    # Rows 4 to 7, columns 0 to 3: a quarter of the area.
    cut = varied("random_resized_crop", [[0.0, 0.5, 0.99, 0.0]], images, low=0.25, high=0.25)
    window = images[:, :, 4:, :4]
    expected = torch.nn.functional.interpolate(window, (8, 8), mode="bilinear")
    # Beside the window's edge the crop sees the image, `interpolate` the window alone.
    assert torch.allclose(cut[..., 1:, :7], expected[..., 1:, :7], atol=1e-6)


def test_jitter_scales_brightness_contrast_and_saturation() -> None:
    images = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    amounts = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0}

    def changed(name: str, draw: float) -> Tensor:
        return varied("color_jitter", [[draw] * 3], images, **{**amounts, name: 1.0})

    assert torch.allclose(changed("brightness", 0.75), 1.5 * images)
    assert torch.allclose(changed("contrast", 0.5), images)
    flat = changed("contrast", 0.0)
    grey = (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    assert torch.allclose(flat, grey.mean().expand_as(flat))
    assert torch.allclose(changed("saturation", 0.0), grey.expand_as(images))
    integers = (images * 255).to(torch.uint8)
    bright = varied("color_jitter", [[0.999] * 3], integers, **{**amounts, "brightness": 1.0})
    assert bright.dtype == torch.uint8 and int(bright.max()) == 255


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("random_erasing(low=0.5, high=0.1)", "`low` is above `high`"),
        ("color_jitter(brightness=0, contrast=0)", "nothing is changed"),
        ("color_jitter(brightness=2)", "brightness"),
        ("random_resized_crop(ratio=0)", "ratio"),
    ],
)
def test_wrong_arguments_are_diagnosed(call: str, message: str) -> None:
    path = Path(__file__).parents[4] / "specs" / "small" / "digits.ffe"
    source = SourceFile(path.name, path.read_text(encoding="utf-8"))
    with pytest.raises(SpecError) as caught:
        compile_spec(source, {"data.augment": f"[{call}]"})
    assert caught.value.diagnostics[0].code.startswith(("FFE1", "FFE5002"))
    assert message in str(caught.value)


def test_saturation_needs_colours() -> None:
    construct = AUGMENTATIONS["color_jitter"]
    fault = construct.misfit({"saturation": 0.2}, (1, 8, 8))
    assert fault is not None and "needs images of 3 channels" in fault[0]
    assert construct.misfit({"saturation": 0.2}, (3, 8, 8)) is None
