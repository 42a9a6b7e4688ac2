"""The keys of `train`: clipping, warm-up, dropping the last batch, diagnostics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.records import GRADIENTS
from ffebm_dsl.running.training import Options, Session, resume, step_record, train
from ffebm_dsl.running.training.measures import trainable
from ffebm_dsl.running.training.optimizers import warmup

from .runs import SPEC, controls, new_session, parameters, read, rows

SGD = SPEC.replace("adam(lr=1e-2)", "sgd(lr=0.5)").replace("cosine(eta_min=1e-4)", "constant()")


def moved(folder: Path, overrides: dict[str, str]) -> tuple[float, Session]:
    """How far the first step of gradient descent moves the parameters, over the learning rate."""
    folder.mkdir()
    session = new_session(folder, overrides, text=SGD, dtype="float64")
    before = [p.detach().clone() for p in trainable(session.job.network).values()]
    train(session, controls(1))
    after = trainable(session.job.network).values()
    moves = [torch.linalg.vector_norm(a.detach() - b) for a, b in zip(after, before, strict=True)]
    return torch.linalg.vector_norm(torch.stack(moves)).item() / 0.5, session


def test_a_gradient_is_scaled_down_to_the_norm_and_never_up(tmp_path: Path) -> None:
    norm, session = moved(tmp_path / "free", {})
    recorded = float(session.record["train"]["gradient_norm"][0])
    assert norm == pytest.approx(recorded, rel=1e-9)
    clipped, session = moved(tmp_path / "clipped", {"clip_norm": str(recorded / 4)})
    # torch divides by the norm plus 1e-6, here in double precision like the gradient.
    assert clipped == pytest.approx(recorded / 4 * recorded / (recorded + 1e-6), rel=1e-12)
    assert session.record["train"]["gradient_norm"][0] == recorded, "as it was before"
    assert moved(tmp_path / "wide", {"clip_norm": str(4 * recorded)})[0] == norm


def test_the_learning_rate_rises_over_the_epochs_of_the_warm_up(tmp_path: Path) -> None:
    session = new_session(tmp_path, {"warmup": "2"}, text=SGD)
    train(session, controls())
    rates = session.record["train"]["learning_rate"].tolist()
    assert rates == pytest.approx([0.5 * step / 8 for step in range(1, 9)] + [0.5] * 4)


def test_no_warm_up() -> None:
    assert warmup(0, 0.1) == 1 and warmup(0.5, 0.75) == 1 and warmup(2, 0.5) == 0.25


def test_a_smaller_last_batch_is_left_out(tmp_path: Path) -> None:
    session = new_session(tmp_path, {"data.drop_last": "true"})
    train(session, controls())
    assert session.record["train"]["batch_size"].tolist() == [8] * 9
    assert session.record["eval"]["samples"].tolist() == [10] * 3


def test_a_batch_that_no_epoch_fills(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="drop_last leaves no batch"):
        new_session(tmp_path, {"data.drop_last": "true", "data.batch": "31"})
    assert not (tmp_path / "run").exists()


def test_diagnostics_keep_their_part_of_the_sweeps_and_survive_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_record, "DIAGNOSTICS", 0.1)  # several in a short run
    overrides = {"epochs": "20", "checkpoint_every": "20", "eval_every": "20"}
    session = new_session(tmp_path, overrides)
    train(session, controls())
    found = read(session.directory.record)[GRADIENTS.name]["step"].tolist()
    assert found[0] == 50 and len(found) > 1 and np.diff(found).min() > 5
    (tmp_path / "part").mkdir()
    train(new_session(tmp_path / "part", overrides), controls(found[0] + 5))
    part = resume(tmp_path / "part" / "run", Options(), pytest.fail)
    train(part, controls())
    assert rows(tmp_path / "part" / "run") == rows(tmp_path / "run")
    assert parameters(part) == parameters(session)


@pytest.mark.parametrize("estimator", ["implicit", "bptt"])
def test_gradients_without_a_reference_are_not_compared(tmp_path: Path, estimator: str) -> None:
    text = SPEC.replace("gradient ep(beta=0.2, estimator=centered)", f"gradient {estimator}()")
    session = new_session(tmp_path, {"epochs": "13", "eval_every": "13"}, text=text)
    train(session, controls())
    assert session.position.step == 52 and GRADIENTS.name not in session.record.tables
