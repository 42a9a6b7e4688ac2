"""Mixup and cutmix: samples and targets with equal shares, keyed, in training only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ffebm_dsl.constructs.augmentations._mixing import parts
from ffebm_dsl.running.training import train
from ffebm_dsl.running.training.augment import partners
from ffebm_dsl.running.training.data import Data
from tests.unit.running.training.runs import SPEC, controls, new_session, parameters, rows

MIXED = {"data.augment": "[hflip(), mixup(alpha=0.4)]", "data.validation": "0.2"}


def loaded(folder: Path, **overrides: str) -> Data:
    folder.mkdir(exist_ok=True)
    return new_session(folder, {**MIXED, **overrides}).job.data


def test_a_mixture_is_of_the_sample_and_its_partner_as_augmented(tmp_path: Path) -> None:
    data = loaded(tmp_path / "mixed").train
    plain = loaded(tmp_path / "plain", **{"data.augment": "[hflip()]"}).train
    indices = data.rows[:9]
    (x,), y = data.augmented(indices, seed=1, epoch=2)
    others = partners(data.rows, indices, seed=1, epoch=2)
    # Of the training set alone: what is set aside for validation is in no mixture.
    assert set(others) <= set(data.rows)
    ends = [plain.augmented(chosen, seed=1, epoch=2) for chosen in (indices, others)]
    ((own,), label), ((other,), its_label) = ends
    apart = ((own - other).abs().flatten(1).sum(1) > 0).nonzero()[:, 0]
    share = ((x - other).flatten(1).sum(1) / (own - other).flatten(1).sum(1))[apart]
    part = share[:, None]
    soft = part * one_hot(label[apart], 6) + (1 - part) * one_hot(its_label[apart], 6)
    assert len(apart) > 5 and y.shape == (9, 6)
    torch.testing.assert_close(y[apart], soft, rtol=1e-4, atol=1e-5)
    alone = data.augmented(indices[3:4], seed=1, epoch=2)
    assert torch.equal(alone[0][0], x[3:4]) and torch.equal(alone[1], y[3:4])


def test_evaluations_are_of_samples_as_they_are(tmp_path: Path) -> None:
    data = loaded(tmp_path / "a")
    assert data.validation is not None and data.test is not None
    for part in (data.validation, data.test):
        _, y = part.batch(part.rows[:3])
        assert y.shape == (3,) and not y.is_floating_point()


@pytest.mark.parametrize("alpha", [1e-3, 0.2, 1.0, 8.0, 1e3])
def test_parts_are_beta_distributed(alpha: float) -> None:
    draws = np.random.default_rng(0).random((20_000, 2))
    own = parts(draws, {"alpha": alpha, "p": 1.0})
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(own.mean() - 0.5) < 5 * np.sqrt(variance / len(own))
    assert abs(own.var() / variance - 1) < 0.06
    half = parts(draws, {"alpha": alpha, "p": 0.5})
    assert (half[draws[:, 0] >= 0.5] == 1).all() and (half[draws[:, 0] < 0.5] < 1).mean() > 0.4


@pytest.mark.parametrize(
    ("augment", "loss", "target"),
    [
        ("[crop(padding=1), cutmix()]", "cross_entropy", "label"),
        ("[mixup(p=0.5)]", "mse", "label"),
        ("[cutmix()]", "binary_cross_entropy", "label"),
    ],
)
def test_training_on_mixtures(tmp_path: Path, augment: str, loss: str, target: str) -> None:
    text = SPEC.replace("cross_entropy", loss)
    trained: list[dict[str, bytes]] = []
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        session = new_session(tmp_path / run, {"data.augment": augment, "epochs": "2"}, text=text)
        result = train(session, controls())
        trained.append(parameters(session))
    assert trained[0] == trained[1]
    # Accuracy is of labels, which mixtures have not; evaluations are of samples that have.
    assert result.top1 >= 0
    losses: Tensor = torch.tensor(rows(tmp_path / "one" / "run")["train/loss"])
    assert bool(losses.isfinite().all())
