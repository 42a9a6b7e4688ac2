"""Kinds of target accept the values that they draw, and name invalid ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ffebm_dsl.language.registry import LOSSES, TARGETS

each = pytest.mark.parametrize("name", TARGETS.visible())
FAULTS = [
    ("label", [0, 3], "label 3 at index 1"),
    ("label", [0.5, 1.0], "float64"),
    ("vector", [[1, 2, 3]], "int64"),
    ("vector", [[1.0, 2.0]], "shape [1, 2]"),
    ("probabilities", [[0.5, 0.5, 0.5]], "add up to 1.5 at index 0"),
    ("probabilities", [[0.5, 0.75, -0.25]], "holds -0.25 at index [0, 2]"),
    ("probabilities", [[0.5, np.nan, 0.5]], "holds nan at index [0, 1]"),
    ("labels", [[0, 1, 2]], "holds 2 at index [0, 2]"),
    ("labels", [0, 1, 1], "shape [3]"),
]


@each
def test_what_is_drawn_is_admitted(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    assert TARGETS[name].fault(TARGETS[name].draw(50, 3, generator).numpy(), 3) is None


@pytest.mark.parametrize(("name", "values", "said"), FAULTS)
def test_a_fault_is_named_with_its_place(name: str, values: Any, said: str) -> None:
    fault = TARGETS[name].fault(np.array(values), 3)
    assert fault is not None and said in fault[0]


@pytest.mark.parametrize("loss", LOSSES.visible())
def test_every_loss_takes_its_targets(loss: str) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(5, 3, dtype=torch.float64, generator=generator)
    for kind in LOSSES[loss].targets:
        found = LOSSES[loss].per_sample(logits, TARGETS[kind].draw(5, 3, generator))
        assert found.shape == (5,) and bool((found >= 0).all())


def test_a_label_is_its_one_hot_vector() -> None:
    logits = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([0, 2, 1, 1])
    soft = torch.nn.functional.one_hot(labels, 3).double()
    for loss in ("cross_entropy", "binary_cross_entropy", "mse"):
        per_sample = LOSSES[loss].per_sample
        torch.testing.assert_close(per_sample(logits, labels), per_sample(logits, soft))


def test_smoothing_is_a_mixture_of_targets() -> None:
    logits = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    labels = torch.tensor([0, 2, 1, 1])
    soft = 0.9 * torch.nn.functional.one_hot(labels, 3).double() + 0.1 / 3
    per_sample = LOSSES["cross_entropy"].per_sample
    smoothed = per_sample(logits, labels, label_smoothing=0.1)
    torch.testing.assert_close(smoothed, per_sample(logits, soft))
