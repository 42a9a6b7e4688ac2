"""Data sets of files in training; none is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.ir.model import CallIR, FeedforwardIR, InputIR, ModelIR, TargetIR
from ffebm_dsl.language.registry import DATA, SameAs
from ffebm_dsl.language.registry.data_constructs import Form
from ffebm_dsl.running.datasets.integrity import Sum, verify
from ffebm_dsl.running.datasets.places import CATALOGUE
from ffebm_dsl.running.datasets.raw import read_data
from ffebm_dsl.running.training import keyed
from ffebm_dsl.running.training.data import Data, load

from .sets import pixels, write_imagenet

REAL = Path(__file__).parents[5] / "shared" / "data"


def arguments(name: str, **more: Any) -> dict[str, Any]:
    """The registry's defaults."""
    defaults = {p.name: p.default for p in DATA[name].parameters if not p.required}
    assert not any(isinstance(value, SameAs) for value in defaults.values())
    return {**defaults, "path": "absent.npz", **more}


def load_default(name: str, folder: Path, **more: Any) -> Data:
    (shape,), classes = DATA[name].shapes, DATA[name].classes
    model = ModelIR(
        "m",
        (InputIR("x", "image", shape),),
        TargetIR("y", "label", classes),
        (),
        FeedforwardIR("logits", "x", (), shape, (classes,)),
        (),
        (),
        CallIR("torch"),
    )
    call = CallIR(name, arguments(name, **more))
    return load(call, model, folder, torch.device("cpu"), torch.float64)


@pytest.mark.parametrize("name", DATA)
def test_every_data_set_of_the_registry_has_a_reader(name: str, tmp_path: Path) -> None:
    try:
        read_data(name, arguments(name), tmp_path)
    except InputError as error:
        assert error.help


def test_registry_and_catalogue_agree() -> None:
    for name, known in CATALOGUE.items():
        assert (DATA[name].shapes, DATA[name].classes) == ((known.shape,), known.classes)


def test_the_order_of_samples_is_that_of_the_key(tmp_path: Path) -> None:
    """Batches of the mapped set are those of the same arrays in memory, in keyed order."""
    write_imagenet(tmp_path)
    data = load_default("imagenet32", tmp_path, augment=(CallIR("hflip", {"p": 0.5}),))
    whole = np.concatenate([pixels(3, seed) for seed in range(10)]).reshape(-1, 3, 32, 32)
    order = keyed.permutation(7, 2, len(data.train))
    assert sorted(order) == [*range(30)]
    for start in range(0, 30, 8):
        indices = order[start : start + 8]
        (x,), _ = data.train.batch(indices)
        mean, std = (np.array(DATA["imagenet32"].parameter(n).default) for n in ("mean", "std"))
        expected = (whole[indices] / 255 - mean[:, None, None]) / std[:, None, None]
        np.testing.assert_allclose(x.numpy(), expected, atol=1e-12)


def test_the_form_of_the_files_changes_nothing(tmp_path: Path) -> None:
    write_imagenet(tmp_path / "a")
    write_imagenet(tmp_path / "b", Form.PICKLE)
    one, other = (load_default("imagenet32", tmp_path / name) for name in "ab")
    assert one.sha256 == other.sha256 == read_data("imagenet32", {}, tmp_path / "a").sha256
    flips = (CallIR("hflip", {"p": 0.5}), CallIR("crop", {"padding": 4, "mode": "edge"}))
    one, other = (load_default("imagenet32", tmp_path / n, augment=flips) for n in "ab")
    batches = [d.train.augmented(np.arange(9), seed=1, epoch=2) for d in (one, other)]
    assert torch.equal(batches[0][0][0], batches[1][0][0]) and torch.equal(
        batches[0][1], batches[1][1]
    )


@pytest.mark.skipif(not (REAL / "mnist").is_dir(), reason="the MNIST files are not here")
def test_the_real_mnist_is_as_published() -> None:
    report = verify(CATALOGUE["mnist"], REAL)
    assert {file.sum for file in report.files} == {Sum.PUBLISHED}
    assert report.counts == (60_000, 10_000) and not report.problems
