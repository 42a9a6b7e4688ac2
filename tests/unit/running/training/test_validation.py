"""Validation: samples chosen by key, decisions based on them, and the test set read once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ffebm_dsl.language.diagnostics import InputError, SpecError
from ffebm_dsl.running.records import TEST
from ffebm_dsl.running.training import Options, Session, evaluate_run, resume, train
from ffebm_dsl.running.training import checkpoint as checkpoints

from .runs import SPEC, STEPS, controls, new_session, parameters, read, rows, write_data

ASIDE = {"data.validation": "0.2"}


def split(session: Session) -> tuple[list[int], list[int]]:
    data = session.job.data
    assert data.validation is not None
    return data.train.rows.tolist(), data.validation.rows.tolist()


def test_a_fraction_and_a_number_of_samples_are_taken_from_the_training_set(tmp_path: Path) -> None:
    train_rows, aside = split(new_session(tmp_path, ASIDE))
    assert len(aside) == 6 and sorted(train_rows + aside) == list(range(30))
    (tmp_path / "more").mkdir()
    _, larger = split(new_session(tmp_path / "more", {"data.validation": "9", "seed": "3"}))
    assert len(larger) == 9 and set(aside) < set(larger), "no seed moves the split"


def test_samples_of_validation_are_those_of_the_file_unaugmented(tmp_path: Path) -> None:
    data = new_session(tmp_path, ASIDE).job.data
    assert data.validation is not None
    rows_ = data.validation.rows
    with np.load(tmp_path / "data.npz") as arrays:
        images, labels = arrays["x_train"][rows_], arrays["y_train"][rows_]
    (x,), y = data.validation.batch(rows_)
    assert y.tolist() == labels.tolist()
    assert torch.equal(x[:, 0], torch.from_numpy(images).float() / 255)


def test_what_is_set_aside_changes_nothing_in_training(tmp_path: Path) -> None:
    """A run on the file without these samples sees the others in an order of its own."""
    session = new_session(tmp_path, ASIDE)
    train(session, controls())
    record = read(session.directory.record)
    assert record["train"]["batch_size"].tolist() == [8, 8, 8] * 3
    assert record["eval"]["samples"].tolist() == [6, 6, 6]


def test_best_is_judged_by_validation_and_the_test_set_is_read_once(tmp_path: Path) -> None:
    session = new_session(tmp_path, ASIDE | {"epochs": "6", "optimizer.lr": "3e-2"})
    result = train(session, controls())
    record = read(session.directory.record)
    best = int(record["eval"]["step"][record["eval"]["top1"].argmax()])
    assert session.best.step == best
    assert record[TEST.name]["step"].tolist() == [18]
    assert record[TEST.name]["weights"].tolist() == [best]
    assert record.attributes["evaluated_on"] == "validation"
    assert record.attributes["test_set"] == "read once, at the end"
    found = evaluate_run(session.directory.path, "best", Options(), None, pytest.fail)
    assert (result.on, result.samples, result.loss) == ("test", 10, found.result.loss)
    assert record[TEST.name]["loss"].tolist() == [result.loss]


def test_the_weights_after_the_test_are_the_last(tmp_path: Path) -> None:
    session = new_session(tmp_path, ASIDE | {"epochs": "6", "optimizer.lr": "3e-2"})
    train(session, controls())
    path, last = checkpoints.newest(session.directory.checkpoints, pytest.fail)
    assert session.best.step < last.position.step == 18, path
    network = session.job.network.state_dict()
    assert all(torch.equal(network[name], last.network[name]) for name in network)


def test_without_validation_the_record_says_that_the_test_set_judged(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    assert train(session, controls()).on == "test"
    record = read(session.directory.record)
    assert record.attributes["evaluated_on"] == "test"
    assert record.attributes["test_set"] == "judged by"
    assert TEST.name not in record.tables


def test_a_finished_run_that_goes_on_reads_the_test_set_again(tmp_path: Path) -> None:
    session = new_session(tmp_path, ASIDE)
    train(session, controls())
    again = resume(session.directory.path, Options(), pytest.fail)
    train(again, controls())
    assert again.record.attributes["test_set"] == "read once, at the end"
    options = Options({"epochs": "4"})
    longer = resume(session.directory.path, options, lambda text: None, allowed=True)
    train(longer, controls())
    record = read(session.directory.record)
    assert record.attributes["test_set"] == "read 2 times"
    assert record[TEST.name]["step"].tolist() == [9, 12]


@pytest.mark.parametrize("first", ["test", "validation"])
def test_a_run_that_goes_on_with_another_set_forgets_what_was_best(
    tmp_path: Path, first: str
) -> None:
    """Evaluations on two sets are not compared, and the record says that the test set was used."""
    with_it, without = {"epochs": "6"}, {"epochs": "6", "data.validation": "0"}
    before, after = (without, with_it) if first == "test" else (with_it, without)
    session = new_session(tmp_path, before, text=SPEC.replace("batch=8", "batch=8, validation=6"))
    train(session, controls(9))
    assert session.best.step
    options = Options({"data.validation": after.get("data.validation", "6")})
    session = resume(session.directory.path, options, lambda text: None, allowed=True)
    assert session.best.step == 0
    found = evaluate_run(tmp_path / "run", None, Options(), None, pytest.fail)
    assert found.chosen.which == "last"
    train(session, controls())
    record = read(tmp_path / "run" / "run.h5")
    assert record.attributes["evaluated_on"] == ("validation" if first == "test" else "test")
    assert record.attributes["test_set"] == "judged by"
    kinds, messages = (record["events"][name].tolist() for name in ("kind", "message"))
    changes = [m for k, m in zip(kinds, messages, strict=True) if k == "change"]
    assert "no evaluation is the best so far: the earlier ones are of other data" in changes


@pytest.mark.parametrize("stop", [2, 5, 8])
def test_a_resumed_run_ends_the_same(tmp_path: Path, stop: int) -> None:
    overrides = ASIDE | {"patience": "2", "epochs": "9", "optimizer.lr": "3e-2"}
    whole = new_session(tmp_path, overrides)
    expected = train(whole, controls())
    (tmp_path / "part").mkdir()
    train(new_session(tmp_path / "part", overrides), controls(stop))
    session = resume(tmp_path / "part" / "run", Options(), pytest.fail)
    assert train(session, controls()) == expected
    assert parameters(session) == parameters(whole)
    assert rows(tmp_path / "part" / "run") == rows(tmp_path / "run")


def test_training_ends_when_evaluations_get_no_better(tmp_path: Path) -> None:
    overrides = ASIDE | {"patience": "2", "epochs": "40", "optimizer.lr": "3e-2"}
    session = new_session(tmp_path, overrides)
    train(session, controls())
    record = read(session.directory.record)
    epochs, best = record["eval"]["epoch"], record["eval"]["top1"].argmax()
    assert epochs[-1] == epochs[best] + 2 < 40
    assert record.attributes["status"] == "finished"
    message = record["events"]["message"][record["events"]["kind"] == "finish"][-1]
    assert message == f"no better evaluation in 2: training ends with epoch {epochs[-1]}"


def without_test(folder: Path) -> None:
    write_data(folder)
    with np.load(folder / "data.npz") as arrays:
        np.savez(folder / "data.npz", x_train=arrays["x_train"], y_train=arrays["y_train"])


def test_data_without_a_test_set(tmp_path: Path) -> None:
    without_test(tmp_path)
    session = new_session(tmp_path, ASIDE)
    result = train(session, controls())
    record = read(session.directory.record)
    assert result.on == "validation" and record.attributes["test_set"] == "none"
    assert record["provenance"]["test_samples"][()] == 0
    assert evaluate_run(tmp_path / "run", None, Options(), None, pytest.fail).result == result


def refused(folder: Path, overrides: dict[str, str], text: str = SPEC) -> Any:
    with pytest.raises((InputError, SpecError)) as caught:
        new_session(folder, overrides, text=text)
    assert not (folder / "run").exists()
    return caught.value


def test_nothing_to_judge_by(tmp_path: Path) -> None:
    without_test(tmp_path)
    error = refused(tmp_path, {})
    assert "there is nothing to judge by" in error.message and "validation=0.1" in error.help


def test_half_a_test_set(tmp_path: Path) -> None:
    write_data(tmp_path)
    with np.load(tmp_path / "data.npz") as arrays:
        kept = {name: arrays[name] for name in arrays if name != "y_test"}
    np.savez(tmp_path / "data.npz", **kept)
    assert "has no array `y_test`" in refused(tmp_path, {}).message


@pytest.mark.parametrize("samples", ["30", "31", "0.99"])
def test_samples_must_be_left(tmp_path: Path, samples: str) -> None:
    error = refused(tmp_path, {"data.validation": samples})
    assert "of 30 training samples" in error.message


@pytest.mark.parametrize("value", ["-0.1", "2.5"])
def test_neither_a_fraction_nor_a_number_of_samples(tmp_path: Path, value: str) -> None:
    (diagnostic,) = refused(tmp_path, {"data.validation": value}).diagnostics
    assert diagnostic.code == "FFE1010"


def test_patience_needs_a_validation_set(tmp_path: Path) -> None:
    (diagnostic,) = refused(tmp_path, {"patience": "2"}).diagnostics
    assert diagnostic.code == "FFE5007"


def test_no_such_set(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    train(session, controls())
    assert session.position.step == STEPS
    with pytest.raises(InputError, match="has no validation set here") as caught:
        evaluate_run(tmp_path / "run", "last", Options(), None, pytest.fail, "validation")
    assert caught.value.help == "evaluate on the other one: --on test"
