"""A run that was stopped and resumed equals the uninterrupted run."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ffebm_dsl.language.diagnostics import InputError, SourceFile, Stopped
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.ir.tools.dump import to_json_dict
from ffebm_dsl.running.records import read as read_record
from ffebm_dsl.running.records import write
from ffebm_dsl.running.records.record import RecordTable
from ffebm_dsl.running.training import Controls, Options, StopRequest, resume, start, train
from ffebm_dsl.running.training.checkpoint import path_of, steps

from .runs import (
    HALVES,
    SPEC,
    STEPS,
    StopAt,
    controls,
    new_session,
    parameters,
    read,
    rows,
    write_data,
)

DIAGNOSED = {"diagnose_every": "3"}


Whole = tuple[dict[str, bytes], dict[str, list[object]]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Final bits and record of the run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    session = new_session(folder, DIAGNOSED)
    train(session, controls())
    return parameters(session), rows(folder / "run")


@pytest.mark.parametrize("stop", [0, 3, 4, 6, 11])
def test_a_stop_at_any_step_leaves_no_trace(tmp_path: Path, whole: Whole, stop: int) -> None:
    train(new_session(tmp_path, DIAGNOSED), controls(max_steps=stop))
    torch.manual_seed(99)
    np.random.seed(99)
    session = resume(tmp_path / "run", Options(), pytest.fail)
    assert session.position.step == stop
    train(session, controls())
    assert parameters(session) == whole[0]
    assert same(rows(tmp_path / "run"), whole[1])


NOISY = SPEC.replace("{ sweeps = 8", "{ noise = [read(0.05)]  sweeps = 8").replace(
    "{ sweeps = 4 }", "{ noise = [read(0.02)]  sweeps = 4 }"
)


def test_a_noisy_run_that_was_stopped_is_the_run_that_was_not(tmp_path: Path) -> None:
    for name in ("whole", "cut", "quiet"):
        (tmp_path / name).mkdir()
    whole = new_session(tmp_path / "whole", text=NOISY)
    train(whole, controls())
    train(new_session(tmp_path / "cut", text=NOISY), controls(max_steps=5))
    torch.manual_seed(99)
    session = resume(tmp_path / "cut" / "run", Options(), pytest.fail)
    train(session, controls())
    assert parameters(session) == parameters(whole)
    assert same(rows(tmp_path / "cut" / "run"), rows(tmp_path / "whole" / "run"))
    quiet = new_session(tmp_path / "quiet")
    train(quiet, controls())
    assert parameters(quiet) != parameters(whole)


def test_a_run_of_two_inputs_that_was_stopped_is_the_run_that_was_not(tmp_path: Path) -> None:
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole = new_session(tmp_path / "whole", text=HALVES)
    train(whole, controls())
    for stop in (2, 5, -1):
        run = tmp_path / "cut" / "run"
        if run.exists():
            torch.manual_seed(99)
            session = resume(run, Options(), pytest.fail)
        else:
            session = new_session(tmp_path / "cut", text=HALVES)
        train(session, controls(max_steps=stop))
    assert session.position.step == 8
    assert parameters(session) == parameters(whole)
    assert same(rows(run), rows(tmp_path / "whole" / "run"))


def test_a_measured_strength_is_saved_noted_and_measured_anew(tmp_path: Path) -> None:
    text = NOISY.replace("ep(beta=0.2", "ep(beta=auto").replace("ffe 1.0", "ffe 1.1")
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole = new_session(tmp_path / "whole", text=text)
    train(whole, controls())
    train(new_session(tmp_path / "cut", text=text), controls(max_steps=5))
    torch.manual_seed(99)
    session = resume(tmp_path / "cut" / "run", Options(), pytest.fail)
    train(session, controls())
    assert parameters(session) == parameters(whole)
    reaches = [float(block.core.reach) for block in whole.job.network.blocks]
    assert min(reaches) > 0
    events = read(tmp_path / "whole" / "run" / "run.h5")["events"]
    kinds = zip(events["kind"], events["message"], strict=True)
    notes = [str(message) for kind, message in kinds if kind == "note"]
    measured = [note for note in notes if "with a force" in note]
    assert len(measured) == 2 * 3, "two blocks, three epochs"
    assert len(set(measured)) > 2
    assert measured[-1] == f"block b2: nudged with a force of up to {reaches[1]:.3g}"


def test_noise_of_strength_zero_trains_as_none(tmp_path: Path, whole: Whole) -> None:
    text = NOISY.replace("noise = [read(0.05)]", "noise = [read(0.0)]").replace(
        "noise = [read(0.02)]", "noise = [read(0)]"
    )
    session = new_session(tmp_path, DIAGNOSED, text=text)
    train(session, controls())
    assert parameters(session) == whole[0]


def test_many_stops_leave_no_trace(tmp_path: Path, whole: Whole) -> None:
    train(new_session(tmp_path, DIAGNOSED), controls(max_steps=1))
    for step in range(3, STEPS + 1, 4):
        session = resume(tmp_path / "run", Options(), pytest.fail)
        train(session, controls(max_steps=step))
    session = resume(tmp_path / "run", Options(), pytest.fail)
    train(session, controls())
    assert parameters(session) == whole[0]
    assert same(rows(tmp_path / "run"), whole[1])
    record = read(tmp_path / "run" / "run.h5")
    assert record["segments"]["start_step"].tolist() == [0, 1, 3, 7, 11]
    assert record["segments"]["exact"].all()
    assert record.attributes["status"] == "finished"


@pytest.mark.parametrize(
    ("number", "step"), [(signal.SIGINT, 3), (signal.SIGTERM, 4), (signal.SIGTERM, 12)]
)
def test_a_signal_ends_after_the_step_and_can_be_resumed(
    tmp_path: Path,
    whole: Whole,
    number: signal.Signals,
    step: int,
) -> None:
    request = StopRequest()
    session = new_session(tmp_path, DIAGNOSED)
    with pytest.raises(Stopped, match=f"{number.name} ended the run after step {step}") as caught:
        train(session, Controls(request, StopAt(request, number, step)))
    assert caught.value.status == 128 + number
    assert f"--resume {tmp_path / 'run'}" in caught.value.help
    assert read(tmp_path / "run" / "run.h5").attributes["status"] == "stopped"
    session = resume(tmp_path / "run", Options(), pytest.fail)
    train(session, controls())
    assert parameters(session) == whole[0]
    assert same(rows(tmp_path / "run"), whole[1])


def test_a_stop_while_evaluating_repeats_the_evaluation(
    tmp_path: Path,
    whole: Whole,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = StopRequest()
    session = new_session(tmp_path, DIAGNOSED)
    from ffebm_dsl.running.training import judged

    evaluate = judged.evaluate

    def interrupted(*arguments: object, **named: object) -> object:
        request.signal_number = signal.SIGTERM
        return evaluate(*arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(judged, "evaluate", interrupted)
        with pytest.raises(Stopped, match="after step 4"):
            train(session, Controls(request, controls().progress))
    assert "eval" not in read(tmp_path / "run" / "run.h5").tables
    session = resume(tmp_path / "run", Options(), pytest.fail)
    train(session, controls())
    assert parameters(session) == whole[0]
    assert same(rows(tmp_path / "run"), whole[1])


def test_diagnostics_and_evaluation_do_not_touch_training(tmp_path: Path, whole: Whole) -> None:
    session = new_session(tmp_path, {"diagnose_every": "0", "eval_every": "3"})
    train(session, controls())
    assert parameters(session) == whole[0]
    ours = rows(tmp_path / "run")
    assert ours["train/loss"] == whole[1]["train/loss"]
    assert "gradients/cosine" not in ours


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path, whole: Whole) -> None:
    train(new_session(tmp_path, DIAGNOSED), controls(max_steps=10))
    folder = tmp_path / "run" / "ckpt"
    newest, before = steps(folder)[:2]
    content = bytearray(path_of(folder, newest).read_bytes())
    content[len(content) // 2] ^= 1
    path_of(folder, newest).write_bytes(content)
    warnings: list[str] = []
    session = resume(tmp_path / "run", Options(), warnings.append)
    assert session.position.step == before
    assert len(warnings) == 1 and "does not fit its checksum" in warnings[0]
    train(session, controls())
    assert parameters(session) == whole[0]
    assert same(rows(tmp_path / "run"), whole[1])


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    first = train(new_session(tmp_path), controls())
    before = rows(tmp_path / "run")
    assert train(resume(tmp_path / "run", Options(), pytest.fail), controls()) == first
    assert rows(tmp_path / "run") == before


class TestRefusals:
    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        train(new_session(tmp_path, {"width": "8"}), controls(max_steps=2))
        return tmp_path / "run"

    def test_another_override(self, run: Path) -> None:
        with pytest.raises(InputError, match="other overrides: width was 8, is 16"):
            resume(run, Options({"width": "16"}), pytest.fail)

    def test_another_seed(self, run: Path) -> None:
        with pytest.raises(InputError, match="seed was not set, is 6"):
            resume(run, Options({"seed": "6"}), pytest.fail)

    def test_an_override_without_effect_is_none(self, run: Path) -> None:
        assert resume(run, Options({"seed": "5", "width": "8"}), pytest.fail).position.step == 2

    def test_another_type(self, run: Path) -> None:
        with pytest.raises(InputError, match="dtype: was float32, is float64") as caught:
            resume(run, Options(dtype="float64"), pytest.fail)
        assert "--allow-inexact" not in caught.value.help  # it does not allow that

    def test_another_spec(self, run: Path) -> None:
        other = SourceFile("other.ffe", SPEC.replace("tolerance = 1e-4", "tolerance = 1e-3"))
        with pytest.raises(InputError, match="is not the spec") as caught:
            resume(run, Options(), pytest.fail, other)
        assert "-  relax free   { sweeps = 8  tolerance = 1e-4 }" in caught.value.message
        assert "+  relax free   { sweeps = 8  tolerance = 1e-3 }" in caught.value.message

    def test_a_spec_changed_in_the_run(self, run: Path) -> None:
        (run / "spec.ffe").write_text(SPEC.replace("lr=1e-2", "lr=1e-3"))
        with pytest.raises(InputError, match=r"spec\.ffe is not the spec"):
            resume(run, Options(), pytest.fail)

    def test_other_data(self, run: Path) -> None:
        write_data(run.parent, seed=1)
        with pytest.raises(InputError, match="other data: sha256 was"):
            resume(run, Options(), pytest.fail)

    def test_more_data(self, run: Path) -> None:
        write_data(run.parent, train=31)
        with pytest.raises(InputError, match="train_samples was 30, is 31"):
            resume(run, Options(), pytest.fail)

    def test_an_older_record(self, run: Path, tmp_path: Path) -> None:
        old = (run / "run.h5").read_bytes()
        train(resume(run, Options(), pytest.fail), controls(max_steps=3))
        (run / "run.h5").write_bytes(old)
        with pytest.raises(InputError, match=r"run\.h5 ends before step 3"):
            resume(run, Options(), pytest.fail)

    def test_no_checkpoint_left(self, run: Path) -> None:
        for path in (run / "ckpt").iterdir():
            path.unlink()
        with pytest.raises(InputError, match="has no valid checkpoint"):
            resume(run, Options(), pytest.fail)

    @pytest.mark.parametrize("name", ["spec.ffe", "run.h5", "ckpt"])
    def test_no_run_directory(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "ckpt").mkdir()
        for file in ("spec.ffe", "run.h5"):
            (tmp_path / file).touch()
        (tmp_path / name).rename(tmp_path / "elsewhere")
        with pytest.raises(InputError, match=f"is not a run directory: it has no {name}"):
            resume(tmp_path, Options(), pytest.fail)

    def test_another_environment(self, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            "ffebm_dsl.running.training.environment.device_name", lambda device: "abacus"
        )
        with pytest.raises(InputError, match="device was cpu, is abacus") as caught:
            resume(run, Options(), pytest.fail)
        assert "--allow-inexact" in caught.value.help

    def test_other_kernels(self, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
        with pytest.raises(InputError, match="ONEDNN_MAX_CPU_ISA was not set, is SSE41"):
            resume(run, Options(), pytest.fail)

    def test_other_threads(self, run: Path) -> None:
        try:
            with pytest.raises(InputError, match="threads was 1, is 2"):
                resume(run, Options(threads=2), pytest.fail)
        finally:
            torch.set_num_threads(1)

    def test_the_record_of_another_run(self, run: Path, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        compiled = compile_spec(SourceFile("small.ffe", SPEC), {"width": "8"})
        options = Options({"width": "8"}, tmp_path, "cpu", threads=1)
        other = start(compiled, options, tmp_path / "other")
        train(other, controls(max_steps=3))
        (run / "run.h5").write_bytes((tmp_path / "other" / "run.h5").read_bytes())
        with pytest.raises(InputError, match="is the record of run other"):
            resume(run, Options(), pytest.fail)

    def test_a_run_that_another_session_holds(self, run: Path) -> None:
        held = resume(run, Options(), pytest.fail)
        with pytest.raises(InputError, match=f"in use by process {os.getpid()} "):
            resume(run, Options(), pytest.fail)
        train(held, controls(max_steps=3))
        resume(run, Options(), pytest.fail)

    def test_a_refusal_gives_the_run_free(self, run: Path) -> None:
        with pytest.raises(InputError, match="width was 8, is 16"):
            resume(run, Options({"width": "16"}), pytest.fail)
        resume(run, Options(), pytest.fail)


class TestAllowedChanges:
    """What ``--allow-inexact`` lets through, and that it never goes unsaid."""

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        train(new_session(tmp_path), controls(max_steps=6))
        return tmp_path / "run"

    def test_the_train_section(self, run: Path) -> None:
        text = SPEC.replace("adam(lr=1e-2)", "sgd(lr=1e-3)").replace("epochs = 3", "epochs = 4")
        warnings: list[str] = []
        other = SourceFile("other.ffe", text)
        session = resume(run, Options(), warnings.append, other, allowed=True)
        assert len(warnings) == 1 and "+  optimizer = sgd(lr=1e-3)" in warnings[0]
        train(session, controls())
        record = read(run / "run.h5")
        assert len(record["train"]) == 16
        assert record["train"]["learning_rate"][6] < 1e-3 < record["train"]["learning_rate"][5]
        assert record["segments"]["exact"].tolist() == [1, 0]
        assert record["events"]["kind"].tolist() == ["start", "resume", "change", "finish"]
        assert "-  optimizer = adam(lr=1e-2)" in record["events"]["message"][2]
        assert record["provenance"]["spec_text"][()] == text == (run / "spec.ffe").read_text()
        assert resume(run, Options(), pytest.fail).record["segments"]["exact"].tolist()[2:] == [0]

    def test_an_override(self, run: Path) -> None:
        session = resume(run, Options({"epochs": "2"}), [].append, allowed=True)
        train(session, controls())
        assert session.position.step == 8
        assert read(run / "run.h5")["provenance"]["override"].tolist() == ["epochs=2"]

    def test_data_and_environment(self, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_data(run.parent, seed=1)
        monkeypatch.setattr(
            "ffebm_dsl.running.training.environment.device_name", lambda device: "abacus"
        )
        warnings: list[str] = []
        session = resume(run, Options(), warnings.append, allowed=True)
        assert "sha256 was" in warnings[0] and "device was cpu, is abacus" in warnings[1]
        assert session.record["provenance"]["dataset_sha256"][()] == session.job.data.sha256

    def test_a_default_that_has_changed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Made by a program in which what the text leaves open was something else."""

        def then(spec: SpecIR) -> dict[str, Any]:
            plain = to_json_dict(spec)
            phase = plain["model"]["stages"][0]["free"]
            phase["damping"] = 0.5
            del phase["over_relaxation"]  # a setting that there was not yet
            return plain

        with monkeypatch.context() as patch:
            patch.setattr("ffebm_dsl.running.training.provenance.to_json_dict", then)
            train(new_session(tmp_path), controls(max_steps=6))
        run, warnings = tmp_path / "run", list[str]()
        told = r"other defaults: model\.stages\.0\.free\.damping was 0.5, is 0.0(\n|$)"
        with pytest.raises(InputError, match=told):
            resume(run, Options(), pytest.fail)
        session = resume(run, Options(), warnings.append, allowed=True)
        assert len(warnings) == 1 and re.search(told, warnings[0])
        train(session, controls(max_steps=7))
        assert read(run / "run.h5")["segments"]["exact"].tolist() == [1, 0]
        # From then on the record has the new one.
        resume(run, Options(), pytest.fail)

    def test_without_a_change_the_run_stays_exact(self, run: Path) -> None:
        session = resume(run, Options(), pytest.fail, allowed=True)
        assert session.record["segments"]["exact"].tolist() == [1, 1]

    @pytest.mark.parametrize("change", [("width", "8"), ("sweeps = 8", "sweeps = 9")])
    def test_another_model_is_refused_all_the_same(
        self, run: Path, change: tuple[str, str]
    ) -> None:
        overrides = {"width": "8"} if change[0] == "width" else {}
        other = SourceFile("other.ffe", SPEC if overrides else SPEC.replace(*change))
        told = "overrides: width was not set, is 8" if overrides else "is not the spec"
        for allowed in (False, True):
            with pytest.raises(InputError, match=told) as caught:
                resume(run, Options(overrides), [].append, other, allowed=allowed)
            assert "only the train section of a run can change" in caught.value.help
            assert "--allow-inexact" not in caught.value.help

    def test_a_change_that_was_cut_short_has_not_taken_place(
        self, run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Killed between the record and the checkpoint: the checkpoint's spec counts."""

        def killed(*arguments: object) -> None:
            raise KeyboardInterrupt

        other = SourceFile("other.ffe", SPEC.replace("lr=1e-2", "lr=1e-3"))
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("ffebm_dsl.running.training.checkpoint.save", killed)
            resume(run, Options(), [].append, other, allowed=True)
        with pytest.raises(InputError, match="is not the spec"):
            resume(run, Options(), pytest.fail)
        (run / "spec.ffe").write_text(SPEC)
        session = resume(run, Options(), pytest.fail)
        assert session.record["provenance"]["spec_text"][()] == SPEC


def same(a: dict[str, list[object]], b: dict[str, list[object]]) -> bool:
    """Whether two records hold the same values, NaN counting as equal to itself."""
    return a.keys() == b.keys() and all(
        np.array_equal(np.asarray(a[key], object), np.asarray(b[key], object))
        or np.array_equal(np.asarray(a[key], float), np.asarray(b[key], float), equal_nan=True)
        for key in a
    )


@pytest.mark.parametrize(
    "change", ["segments", "events", "environment", "processes", "solve", "spec"]
)
def test_a_forged_record_is_refused(tmp_path: Path, change: str) -> None:
    """Its checksum fits, and the schema allows it: but no run leaves such a record."""
    session = new_session(tmp_path)
    train(session, controls(max_steps=2))
    path = tmp_path / "run" / "run.h5"
    record = read_record(path)
    if change in ("segments", "events"):
        record.tables[change] = RecordTable(record[change].group, {})
    elif change == "spec":
        record["provenance"]["spec_resolved"][()] = "{"
    elif change == "solve":
        record["relaxation"].constants["solve"][0] = "b9.free"
    else:
        forged = "not JSON" if change == "environment" else '{"processes": "many"}'
        record["segments"]["environment"][-1] = forged
    write(record, path)
    message = {"solve": "is of another network", "spec": "is not one that was trained"}.get(
        change, "does not say which processes"
    )
    with pytest.raises(InputError, match=message):
        train(resume(tmp_path / "run", Options(), pytest.fail), controls())
