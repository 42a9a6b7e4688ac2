"""The training loop: results, records, refusals."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.language.diagnostics import InputError, NegativeResult, SourceFile, StorageError
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.interfaces import Status
from ffebm_dsl.running.records import STATUSES
from ffebm_dsl.running.training import Options, evaluate, evaluate_run, measures, start, train
from ffebm_dsl.running.training.checkpoint import steps
from ffebm_dsl.running.training.judged import describe
from ffebm_dsl.running.training.measures import trainable

from .runs import SPEC, STEPS, STEPS_PER_EPOCH, controls, new_session, read, write_data


def test_the_record_holds_every_step_and_evaluation(tmp_path: Path) -> None:
    session = new_session(tmp_path, {"diagnose_every": "5"})
    result = train(session, controls())
    record = read(tmp_path / "run" / "run.h5")
    table = record["train"]
    assert table["step"].tolist() == list(range(1, STEPS + 1))
    assert table["epoch"].tolist() == [1] * 4 + [2] * 4 + [3] * 4
    assert table["batch_size"].tolist() == [8, 8, 8, 6] * 3
    assert np.isfinite(table["loss"]).all() and (table["gradient_norm"] > 0).all()
    assert (np.diff(table["wall_time"]) > 0).all()
    assert ((table["free_sweeps"] > 0) & (table["free_sweeps"] <= 8)).all()
    rates = table["learning_rate"].tolist()
    assert rates[0] == 1e-2 and rates[4] < rates[3] and rates[8] < rates[7]
    assert record["eval"]["step"].tolist() == [4, 8, 12]
    assert record["eval"]["top1"][-1] == result.top1
    assert record["eval"]["block"].tolist() == ["b1", "b2"]
    assert record["relaxation"]["step"].tolist() == list(range(1, STEPS + 1))
    assert record["relaxation"]["solve"].tolist() == [
        "b1.free",
        "b1.nudged",
        "b2.free",
        "b2.nudged",
    ]
    counts = sum(record["relaxation"][status] for status in STATUSES)
    free = record["relaxation"]["phase"] == "free"
    assert (counts[:, free] == table["batch_size"][:, None]).all()
    assert (counts[:, ~free] == 2 * table["batch_size"][:, None]).all()
    assert record["gradients"]["step"].tolist() == [5, 10]
    assert len(record["gradients"]["parameter"]) == record["gradients"]["cosine"].shape[1]
    assert record.attributes["status"] == "finished"
    assert record["events"]["kind"].tolist() == ["start", "finish"]


def test_provenance_rebuilds_the_run(tmp_path: Path) -> None:
    train(new_session(tmp_path, {"width": "16"}), controls(max_steps=2))
    record = read(tmp_path / "run" / "run.h5")
    table = record["provenance"]
    assert table["override"].tolist() == ["width=16"]
    assert str(table["spec_text"][()]) == SPEC == (tmp_path / "run" / "spec.ffe").read_text()
    assert table["seed"] == 5 and table["train_samples"] == 30
    assert table["dataset_file"].tolist() == ["data.npz"]


def test_diagnosed_gradients_are_those_of_the_estimators(tmp_path: Path) -> None:
    """In float64, with long relaxations and a small beta, EP and implicit agree."""
    text = SPEC.replace("sweeps = 8  tolerance = 1e-4", "sweeps = 400  tolerance = 1e-12")
    text = text.replace("{ sweeps = 4 }", "{ sweeps = 400  tolerance = 1e-12 }")
    text = text.replace("beta=0.2", "beta=1e-4")
    session = new_session(tmp_path, {"diagnose_every": "1"}, text=text, dtype="float64")
    train(session, controls(max_steps=3))
    table = read(tmp_path / "run" / "run.h5")["gradients"]
    moved = table["norm_implicit"] > 1e-9
    assert moved.mean() > 0.7
    assert table["cosine"][moved].min() > 0.999
    assert not table["diverged"].any() and not table["exhausted"].any()
    assert table["relative_error"][moved].max() < 0.02


def test_diagnosed_gradients_that_vanish_are_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No angle, and no error; an error without bounds where only the implicit one vanishes."""
    job = new_session(tmp_path).job
    weights = list(trainable(job.network).values())
    monkeypatch.setattr(
        measures, "_implicit_gradients", lambda *_: [torch.zeros_like(w) for w in weights]
    )
    weights[0].grad = torch.ones_like(weights[0])
    row = measures.gradient_row(job.network, (torch.zeros(1),), torch.zeros(1))
    assert row["relative_error"].tolist() == [np.inf] + [0.0] * (len(weights) - 1)
    assert np.isnan(row["cosine"]).all()


def test_an_implicit_gradient_that_diverges_is_no_reference(tmp_path: Path) -> None:
    """After one sweep, strongly coupled layers are at no equilibrium, and the adjoint grows."""
    text = SPEC.replace("hard_sigmoid", "tanh").replace("identity", "tanh")
    text = text.replace("{ sweeps = 8  tolerance = 1e-4 }", "{ sweeps = 1  tolerance = 1e-4 }")
    text = text.replace("model small {", "model small {\n  init normal(std=1.5)")
    session = new_session(tmp_path, {"diagnose_every": "2"}, text=text)
    train(session, controls(max_steps=4))
    record = read(tmp_path / "run" / "run.h5")
    table, events = record["gradients"], record["events"]
    assert (table["diverged"] > 0).all() and (table["exhausted"] >= 0).all()
    assert np.isfinite(table["norm"]).all()
    for name in ("norm_implicit", "cosine", "relative_error"):
        assert np.isnan(table[name]).all()
    notes = [
        str(m) for m, kind in zip(events["message"], events["kind"], strict=True) if kind == "note"
    ]
    assert len(notes) == 1 and notes[0].startswith(
        "a gradient diagnostic has no reference: at step 2"
    )


def test_the_implicit_estimator_is_put_back(tmp_path: Path) -> None:
    session = new_session(tmp_path, {"diagnose_every": "1"})
    train(session, controls(max_steps=1))
    used = [block.core.settings.estimator for block in session.job.network.blocks]
    assert not any(isinstance(estimator, Implicit) for estimator in used)


def test_training_leaves_the_callers_random_numbers_alone(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    state = torch.get_rng_state()
    train(session, controls(max_steps=2))
    assert torch.equal(torch.get_rng_state(), state)


def test_evaluation_counts_every_sample_once(tmp_path: Path) -> None:
    job = new_session(tmp_path).job
    for batch in (1, 3, 4, 10, 99):
        result = evaluate(job.network, job.data.test, batch)
        assert result is not None and result.samples == 10
        assert result.top1 * 10 == pytest.approx(round(result.top1 * 10))
        if batch == 1:
            first = result
        assert result.loss == pytest.approx(first.loss, rel=1e-5)
        assert (result.top1, result.top5) == (first.top1, first.top5)
    assert job.network.training


def test_the_best_checkpoint_is_kept_and_evaluates_as_recorded(tmp_path: Path) -> None:
    train(new_session(tmp_path, {"epochs": "8"}), controls())
    table = read(tmp_path / "run" / "run.h5")["eval"]
    best = int(np.argmax(table["top1"]))
    found = evaluate_run(tmp_path / "run", "best", Options(), None, pytest.fail)
    assert found.chosen.step == table["step"][best]
    assert found.result.top1 == table["top1"][best] and found.result.loss == table["loss"][best]
    last = evaluate_run(tmp_path / "run", "last", Options(), None, pytest.fail)
    assert last.result.loss == table["loss"][-1]
    assert steps(tmp_path / "run" / "ckpt")[:2] == [8 * STEPS_PER_EPOCH, 7 * STEPS_PER_EPOCH]


def test_vector_targets_have_no_accuracy(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    arrays = {
        f"{name}_{split}": generator.random((size, *shape), np.float32)
        for split, size in (("train", 12), ("test", 5))
        for name, shape in (("x", (4, 4)), ("y", (6,)))
    }
    np.savez(tmp_path / "data.npz", **arrays)
    text = SPEC.replace("y: label(6)", "y: vector(6)").replace("cross_entropy", "mse")
    result = train(new_session(tmp_path, text=text), controls())
    assert math.isnan(result.top1) and math.isnan(result.top5) and result.loss > 0
    table = read(tmp_path / "run" / "run.h5")["train"]
    assert np.isnan(table["accuracy"]).all()
    assert describe(result).startswith("test loss")


def test_mse_on_labels_counts_the_largest_output(tmp_path: Path) -> None:
    result = train(new_session(tmp_path, text=SPEC.replace("cross_entropy", "mse")), controls())
    assert 0 <= result.top1 <= 1 and result.top5 >= result.top1


def poison(session: object, value: float) -> None:
    weight = session.job.network.readout  # type: ignore[attr-defined]
    with torch.no_grad():
        next(weight.parameters()).fill_(value)


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    train(session, controls(max_steps=3))
    before = sorted(path.name for path in (tmp_path / "run" / "ckpt").iterdir())
    poison(session, math.nan)
    with pytest.raises(
        NegativeResult,
        match=r"step 4: weights, block readout, linear\.weight: is not finite \(nan\)",
    ) as caught:
        train(session, controls())
    assert caught.value.exit_code == 1
    record = read(tmp_path / "run" / "run.h5")
    assert record.attributes["status"] == "diverged"
    assert record["train"]["step"].tolist() == [1, 2, 3, 4]
    assert record["events"]["kind"][-1] == "diverged"
    assert sorted(path.name for path in (tmp_path / "run" / "ckpt").iterdir()) == before


def test_a_gradient_that_is_not_finite_does_not_reach_the_parameters(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    weight = next(p for p in session.job.network.parameters() if p.requires_grad)
    weight.register_hook(lambda gradient: torch.full_like(gradient, math.inf))
    before = {k: v.clone() for k, v in session.job.network.named_parameters()}
    with pytest.raises(NegativeResult, match=r"step 1: gradient, .* is not finite \(inf\)"):
        train(session, controls())
    after = dict(session.job.network.named_parameters())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_full_disk_ends_the_run_and_keeps_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = new_session(tmp_path)
    train(session, controls(max_steps=3))
    record = (tmp_path / "run" / "run.h5").read_bytes()

    def full(descriptor: int, content: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(StorageError, match="No space left"):
        train(session, controls())
    assert (tmp_path / "run" / "run.h5").read_bytes() == record


def test_a_full_disk_at_the_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_data(tmp_path)

    def full(descriptor: int, content: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(StorageError):
        new_session(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]


def test_a_spec_without_train_section(tmp_path: Path) -> None:
    text = SPEC[: SPEC.index("train {")]
    with pytest.raises(InputError, match=r"small\.ffe has no train section"):
        new_session(tmp_path, text=text)
    assert not (tmp_path / "run").exists()


def test_bad_data_leave_no_directory(tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(b"nothing")
    with pytest.raises(InputError):
        new_session(tmp_path)
    assert not (tmp_path / "run").exists()


def test_checkpoint_every_counts_epochs(tmp_path: Path) -> None:
    overrides = {"epochs": "6", "checkpoint_every": "4", "eval_every": "6"}
    train(new_session(tmp_path, overrides), controls())
    assert steps(tmp_path / "run" / "ckpt") == [24, 16]


def test_codes_of_status_are_the_columns_of_the_record() -> None:
    assert [status.name.lower() for status in sorted(Status)] == list(STATUSES)


def test_a_last_batch_of_one_sample_is_told_where_batch_norm_needs_more(tmp_path: Path) -> None:
    write_data(tmp_path, train=25)
    with pytest.raises(
        InputError,
        match=r"last batch of an epoch has 1 sample .* and [a-z0-9]+\.[a-z0-9]+\.batch_norm1d is",
    ):
        new_session(tmp_path)


def test_equal_runs_are_equal_and_seeds_matter(tmp_path: Path) -> None:
    losses = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).mkdir()
        train(new_session(tmp_path / name, {"seed": seed}), controls(max_steps=3))
        losses.append(read(tmp_path / name / "run" / "run.h5")["train"]["loss"].tolist())
    assert losses[0] == losses[1] != losses[2]


def test_default_directories_are_never_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path)
    compiled = compile_spec(SourceFile("specs/small.ffe", SPEC))
    paths = {start(compiled, Options({}, tmp_path, "cpu")).directory.path for _ in range(2)}
    assert len(paths) == 2
    assert all(path.parent == Path("runs") and path.name.startswith("small-2") for path in paths)


def test_how_far_rounding_carries_is_recorded_in_epochs_that_double(tmp_path: Path) -> None:
    session = new_session(tmp_path, {"epochs": "5"})
    train(session, controls())
    found = read(tmp_path / "run" / "run.h5")["amplification"]
    assert [step // STEPS_PER_EPOCH for step in found["step"]] == [1, 2, 4, 5]
    assert found["block"].tolist() == ["b1", "b2"]
    # Dropout of another draw would be a change of 1e12.
    for name in ("states", "gradients"):
        assert ((found[name] > 0.1) & (found[name] < 1e6)).all()


def test_without_diagnostics_nothing_is_recorded_of_rounding(tmp_path: Path) -> None:
    train(new_session(tmp_path, {"diagnose_every": "0"}), controls())
    assert "amplification" not in read(tmp_path / "run" / "run.h5").tables
