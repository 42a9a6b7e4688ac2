"""Which weights of a run are used: those that its training evaluated at the end."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import ffebm_dsl
from ffebm_dsl.language.diagnostics import InputError, Stopped
from ffebm_dsl.running.training import (
    Chosen,
    Controls,
    Options,
    Session,
    StopRequest,
    evaluate_run,
    network_of_run,
    resume,
    train,
)
from ffebm_dsl.running.training import checkpoint as checkpoints
from ffebm_dsl.running.training.judged import weights_of_result

from .runs import StopAt, controls, new_session, read, write_data

ASIDE = {"data.validation": "0.2", "epochs": "6", "optimizer.lr": "3e-2"}
"""The best evaluation of these six is not the last one."""


def chosen(run: Path) -> Chosen:
    """What is chosen by default, which has the weights of the checkpoint that it names."""
    network, _, found = network_of_run(run, None, "cpu", pytest.fail)
    assert found == evaluate_run(run, None, Options(), None, pytest.fail).chosen
    saved = checkpoints.load(found.path).network
    state, loaded = network.state_dict(), ffebm_dsl.load(run).state_dict()
    assert all(torch.equal(state[name], saved[name]) for name in saved)
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)
    return found


def last_step(run: Path) -> int:
    return max(checkpoints.steps(run / "ckpt"))


def finish(session: Session) -> Chosen:
    """Train to the end; the evaluation there is that of the weights chosen afterwards."""
    result = train(session, controls())
    run = session.directory.path
    assert evaluate_run(run, None, Options(), None, pytest.fail).result == result
    found = chosen(run)
    assert weights_of_result(session) == (found.step, found.which)
    return found


def test_the_best_where_a_validation_set_found_them(tmp_path: Path) -> None:
    found = finish(new_session(tmp_path, ASIDE))
    table = read(tmp_path / "run" / "run.h5")["eval"]
    assert (found.which, found.judged_on) == ("best", "validation")
    assert found.step == table["step"][table["top1"].argmax()] < last_step(tmp_path / "run")
    assert str(found) == f"checkpoint {found.path} (step {found.step}, the best by validation)"


def test_the_best_where_there_is_no_test_set(tmp_path: Path) -> None:
    write_data(tmp_path)
    with np.load(tmp_path / "data.npz") as arrays:
        kept = {name: arrays[name] for name in ("x_train", "y_train")}
    np.savez(tmp_path / "data.npz", **kept)
    session = new_session(tmp_path, ASIDE)
    found = finish(session)
    assert found.which == "best" and found.step < last_step(tmp_path / "run")
    # The network itself has its last weights, from which training would go on.
    _, last = checkpoints.newest(tmp_path / "run" / "ckpt", pytest.fail)
    network = session.job.network.state_dict()
    assert all(torch.equal(network[name], last.network[name]) for name in network)
    # Resumed after its end, it says the same.
    again = resume(tmp_path / "run", Options(), pytest.fail)
    assert finish(again) == found


def test_the_last_where_the_test_set_judged(tmp_path: Path) -> None:
    found = finish(new_session(tmp_path, {"epochs": "6", "optimizer.lr": "3e-2"}))
    assert (found.which, found.judged_on, found.step) == ("last", "test", 24)
    best = evaluate_run(tmp_path / "run", "best", Options(), None, pytest.fail)
    assert best.chosen.step < 24 and str(best.chosen).endswith("the best by the test set)")


def test_early_stopping(tmp_path: Path) -> None:
    found = finish(new_session(tmp_path, ASIDE | {"patience": "2", "epochs": "40"}))
    assert found.which == "best"
    assert found.step == last_step(tmp_path / "run") - 2 * 3


@pytest.mark.parametrize(("steps", "which"), [(0, "last"), (2, "last"), (8, "best")])
def test_a_training_that_was_cut_short(tmp_path: Path, steps: int, which: str) -> None:
    session = new_session(tmp_path, ASIDE)
    result = train(session, controls(steps))
    assert result.on == "validation" and weights_of_result(session) == (steps, "last")
    last = evaluate_run(tmp_path / "run", "last", Options(), None, pytest.fail, "validation")
    assert last.result == result
    found = chosen(tmp_path / "run")
    assert (found.which, found.step) == (which, session.best.step or steps)


def test_interrupted_by_a_signal(tmp_path: Path) -> None:
    session, request = new_session(tmp_path, ASIDE), StopRequest()
    with pytest.raises(Stopped):
        train(session, Controls(request, StopAt(request, 2, 10)))
    found = chosen(tmp_path / "run")
    assert (found.which, found.step) == ("best", session.best.step)
    assert last_step(tmp_path / "run") == 10


def test_what_is_named_is_taken(tmp_path: Path) -> None:
    train(new_session(tmp_path, ASIDE), controls())
    run = tmp_path / "run"
    last = network_of_run(run, "last", "cpu", pytest.fail)
    assert (last.chosen.which, last.chosen.step) == ("last", 18)
    named = network_of_run(run, last.chosen.path, "cpu", pytest.fail)
    assert named.chosen.which == "file" and str(named.chosen).endswith("(step 18)")
    for checkpoint in ("last", last.chosen.path):
        loaded = ffebm_dsl.load(run, checkpoint=checkpoint).state_dict()
        assert all(torch.equal(loaded[name], t) for name, t in last.network.state_dict().items())


def test_only_runs_have_checkpoints(tmp_path: Path) -> None:
    train(new_session(tmp_path), controls(2))
    for spec in (tmp_path / "run" / "spec.ffe", tmp_path / "net.safetensors"):
        with pytest.raises(InputError, match="only a run directory has checkpoints"):
            ffebm_dsl.load(spec, checkpoint="best")
    with pytest.raises(InputError, match="never evaluated"):
        ffebm_dsl.load(tmp_path / "run", checkpoint="best")


def test_a_damaged_checkpoint_is_told_where_load_was_called(tmp_path: Path) -> None:
    train(new_session(tmp_path), controls())
    checkpoints.path_of(tmp_path / "run" / "ckpt", 12).write_bytes(b"damaged")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        ffebm_dsl.load(tmp_path / "run")
    assert [warning.filename for warning in told] == [__file__]
