"""The paper's recipe, from the text of a spec to the settings of the optimiser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from ffebm_dsl.running.training import Session, evaluate, train

from .runs import SPEC, controls, new_session, read

FROZEN = (
    SPEC.replace("x |> flatten() |> dropout(0.2) |> linear(width) |> batch_norm1d()",
                 "x |> conv2d(3, kernel=3, padding=1, bias=false) |> batch_norm2d(affine=false)"
                 " |> flatten() |> linear(width)")
)  # fmt: skip
GROUPS = (
    "adam(lr=1e-2, weight_decay=0.1, groups=[scale(b1, lr=0.5), scale(logits, weight_decay=0)])"
)


def batch_norm(session: Session) -> nn.BatchNorm2d:
    (found,) = (m for m in session.job.network.modules() if isinstance(m, nn.BatchNorm2d))
    return found


def test_a_frozen_batch_norm_has_nothing_to_learn_and_moves_once_per_step(tmp_path: Path) -> None:
    session = new_session(tmp_path, text=FROZEN)
    norm = batch_norm(session)
    assert not norm.affine and not list(norm.parameters())
    train(session, controls(max_steps=3))
    # Nudged phases and evaluations leave the statistics alone.
    assert norm.num_batches_tracked is not None and int(norm.num_batches_tracked) == 3


def test_the_cosine_ends_at_its_floor_for_every_group(tmp_path: Path) -> None:
    session = new_session(tmp_path, {"optimizer": GROUPS, "epochs": "4"})
    train(session, controls())
    rates = read(tmp_path / "run" / "run.h5")["train"]["learning_rate"]
    per_epoch = np.unique(rates)[::-1]
    expected = [1e-4 + (1e-2 - 1e-4) * (1 + np.cos(np.pi * e / 4)) / 2 for e in range(4)]
    assert per_epoch == pytest.approx(expected)
    groups = session.job.optimizer.param_groups
    assert [g["lr"] / rates[-1] for g in groups] == pytest.approx([1.0, 0.5, 1.0])
    assert [g["weight_decay"] for g in groups] == [0.1, 0.1, 0.0]


def test_groups_go_on_as_they_were(tmp_path: Path) -> None:
    from ffebm_dsl.running.training import Options, resume

    train(new_session(tmp_path, {"optimizer": GROUPS}), controls(max_steps=5))
    warnings: list[Any] = []
    session = resume(tmp_path / "run", Options(data_dir=tmp_path), warnings.append)
    assert [g["lr_factor"] for g in session.job.optimizer.param_groups] == [1.0, 0.5, 1.0]
    assert not warnings


def test_evaluation_sees_every_sample_as_it_is(tmp_path: Path) -> None:
    """Augmented, cut or dropped samples would make it depend on the augmentation."""
    found = []
    for name, augment in (("a", "[]"), ("b", "[hflip(p=1.0), crop(padding=3)]")):
        (tmp_path / name).mkdir()
        job = new_session(tmp_path / name, {"data.augment": augment}).job
        found.append(evaluate(job.network, job.data.test, job.data.batch))
    assert found[0] == found[1]
    assert found[0] is not None and found[0].samples == 10
