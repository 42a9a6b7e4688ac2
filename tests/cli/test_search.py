"""``ffebm sweep --search``: points drawn by Optuna are trained, resumed, shared and judged."""

from __future__ import annotations

import gc
import json
import platform
import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.pool import NullPool

from ffebm_dsl.cli.main import main
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.tools.experiments import search as searching
from ffebm_dsl.tools.experiments.results import read_result
from ffebm_dsl.tools.experiments.search_space import Space
from tests.cli.test_sweep import SPEC, in_this_process  # noqa: F401
from tests.unit.running.training.runs import write_data

SPACE = ["--set", "optimizer.lr=loguniform(1e-4, 1e-1)", "--set", "data.batch=[5, 8]"]

INITIALISERS = ["--set", "init=[uniform(0, 0.1), zeros()]"]
"""A list of values, one of which is called like a distribution."""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data").mkdir()
    write_data(tmp_path / "data")
    monkeypatch.chdir(tmp_path)  # where `data` is the data directory
    path = tmp_path / "m.ffe"
    path.write_text(SPEC.replace("batch=8", "batch=8, validation=0.3"), encoding="utf-8")
    return path


def searched(spec: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["sweep", str(spec), *SPACE, *arguments, "--quiet", "--json"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def runs(folder: Path) -> list[Path]:
    return sorted(file.parent for file in folder.glob("*/run.h5"))


def study(storage: str) -> optuna.Study:
    opened = RDBStorage(storage, engine_kwargs={"poolclass": NullPool})
    (name,) = optuna.get_all_study_names(opened)
    return optuna.load_study(study_name=name, storage=opened)


@pytest.mark.slow
def test_a_search_is_judged_by_validation_and_shared(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    shared = ["--storage", storage, "--seeds", "2"]
    first = searched(spec, capsys, "--search", "1", *shared, "--out", "a")
    assert [len(c["values"]) for c in first["configurations"]] == [2]
    assert first["on"] == "validation" and first["metric"] == "top1"
    # One that was asked for here and not trained is taken up; the other machine's is left.
    known = study(storage)
    drawn = {"optimizer.lr": "0.01", "data.batch": "5"}
    for machine in (platform.node(), "elsewhere"):
        asked = known.ask()
        folder = str((tmp_path / "b").resolve())
        for key, value in {"machine": machine, "folder": folder, "overrides": drawn}.items():
            asked.set_user_attr(key, value)
    second = searched(spec, capsys, "--search", "4", *shared, "--out", "b")
    assert [path.name.partition(",")[0] for path in runs(tmp_path / "b")] == ["0001"] * 2 + [
        "0003"
    ] * 2
    trials = study(storage).get_trials()
    assert [t.state.name for t in trials] == ["COMPLETE", "COMPLETE", "RUNNING", "COMPLETE"]
    results = [read_result(run) for run in runs(tmp_path / "b")[:2]]
    mean = sum(result.metrics["validation"]["top1"] for result in results) / 2
    assert trials[1].value == pytest.approx(mean)
    best = max(t.value for t in trials if t.value is not None)
    assert second["best"]["value"] == best and second["best"]["set"].keys() == drawn.keys()
    # All are done: nothing is trained, and the table is the same.
    assert searched(spec, capsys, "--search", "4", *shared, "--out", "b") == second
    assert len(study(storage).get_trials()) == 4


@pytest.mark.usefixtures("in_this_process")
def test_trials_are_told_apart_and_kept_in_the_folder(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", str(spec), *SPACE, "--search", "2", "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert "best of 2 by validation top1: optimizer.lr=" in printed
    folder = tmp_path / "runs" / "m-search"
    assert (folder / "study.journal").is_file() and len(runs(folder)) == 2
    assert main(["compare", str(folder), "--by", "optimizer.lr,batch", "--on", "test"]) == 0
    other = ["--set", "optimizer.lr=uniform(1e-4, 1e-1)"]
    assert main(["sweep", str(spec), *other, "--search", "2"]) == 2
    assert "folder of another sweep: search differ" in capsys.readouterr().err


def test_a_storage_that_goes_away_is_not_a_bug(
    spec: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = optuna.create_study(direction="maximize")

    def gone(*_: object) -> None:
        raise OperationalError("SELECT 1", {}, ConnectionError("server closed the connection"))

    monkeypatch.setattr(drawn, "ask", gone)
    monkeypatch.setattr(searching, "open_study", lambda *_: drawn)
    shared = ["--search", "2", "--storage", "postgresql://me:secret@host/s", "--out", "s"]
    assert main(["sweep", str(spec), *SPACE, *shared]) == 74
    said = capsys.readouterr().err
    assert "--storage postgresql://me:***@host/s: " in said and "server closed" in said


def test_tables_that_another_process_makes_at_the_same_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, calls = optuna.create_study, []

    def second(**arguments: Any) -> optuna.Study:
        calls.append(arguments["study_name"])
        if len(calls) == 1:
            raise IntegrityError("CREATE TYPE", {}, Exception("duplicate key"))
        return create(**arguments)

    monkeypatch.setattr(optuna, "create_study", second)
    monkeypatch.setattr(searching.time, "sleep", lambda seconds: None)
    compiled, storage = compile_spec(SourceFile("m.ffe", SPEC)), f"sqlite:///{tmp_path / 's.db'}"
    found = searching.open_study(compiled, Space({}, {}, {}), [], [], storage)
    assert found.study_name == study(storage).study_name
    assert calls == [found.study_name] * 2


def is_open(connection: sqlite3.Connection) -> bool:
    try:
        return connection.total_changes >= 0
    except sqlite3.ProgrammingError:
        return False


def test_no_connection_stays_open(tmp_path: Path) -> None:
    def opened() -> int:
        found = [thing for thing in gc.get_objects() if type(thing) is sqlite3.Connection]
        return sum(map(is_open, found))

    compiled, storage = compile_spec(SourceFile("m.ffe", SPEC)), f"sqlite:///{tmp_path / 's.db'}"
    before = opened()
    found = searching.open_study(compiled, Space({}, {}, {}), [], [], storage)
    found.ask().set_user_attr("overrides", {})
    assert len(found.get_trials()) == 1 and opened() == before


class FourThenOne(optuna.samplers.RandomSampler):
    def sample_independent(self, study: Any, trial: Any, name: str, among: Any) -> str:
        return "1" if trial.number else "4"


@pytest.mark.usefixtures("in_this_process")
def test_what_does_not_fit_together_is_left_out(
    spec: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two poolings, each of which the image is large enough for, and not for both."""
    text = spec.read_text(encoding="utf-8").replace(
        "x |>", "x |> avg_pool2d(a) |> avg_pool2d(b) |>"
    )
    spec.write_text(
        text.replace("ffe 1.0", "ffe 1.0\nparam a: int = 1\nparam b: int = 1"), encoding="utf-8"
    )
    drawn = optuna.create_study(direction="maximize", sampler=FourThenOne())
    monkeypatch.setattr(searching, "open_study", lambda *_: drawn)
    lists = ["--set", "a=[1, 4]", "--set", "b=[1, 4]"]
    assert main(["sweep", str(spec), *lists, "--search", "2", "--out", "s", "--quiet"]) == 0
    assert "a=4, b=4 is left out: `avg_pool2d`" in capsys.readouterr().err
    assert [trial.state.name for trial in drawn.get_trials()] == ["FAIL", "COMPLETE"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--search", "2"], "has nothing to draw"),
        ([*SPACE, "--search", "2", "--dry-run"], "--dry-run cannot tell"),
        ([*SPACE, "--storage", "s"], "--storage is an option of --search"),
        (SPACE, "only a search draws from it"),
        ([*SPACE, "--search", "2", "--storage", "no://x"], "--storage no://x"),
        ([*SPACE, "--search", "2", "--storage", "nowhere/s"], "--storage nowhere/s"),
        # A database in memory keeps nothing.
        ([*SPACE, "--search", "2", "--storage", "sqlite://"], "--storage sqlite://: no such table"),
        (
            [*SPACE, "--search", "2", "--storage", "postgresql+pg8000://me:secret@host/s"],
            "--storage postgresql+pg8000://me:***@host/s: No module named 'pg8000'",
        ),
        (["--search", "2", "--set", "optimizer.lr=uniform(2, 1)"], "nothing to draw"),
        (
            ["--search", "2", "--set", "optimizer.lr=[loguniform(1e-4, 1e-2)]"],
            'help: drop the brackets: --set "optimizer.lr=loguniform(1e-4, 1e-2)"',
        ),
        (
            ["--search", "2", "--set", "data.batch=[integers(1, 4), 8]"],
            "help: give either one distribution or a list of values",
        ),
        (
            ["--set", "optimizer.lr=[uniform(0, 1)]"],
            'drop the brackets, and add --search N: --set "optimizer.lr=uniform(0, 1)"',
        ),
        (
            [*INITIALISERS, "--search", "2", "--set", "data.validation=0"],
            "sets no samples aside",
        ),
        (["--search", "2", "--set", "optimizer.lr=uniform(1)"], "FFE1007"),
        (["--search", "2", "--set", "optimizer.lr=loguniform(0, 1)"], "FFE1010"),
        (["--search", "2", "--set", "optimizer.lr=loguniform"], "give its ends"),
        (["--search", "2", "--set", "optimizer.lr=uniform(-1, 1)"], "FFE1010"),
        (["--search", "2", "--set", "optimizer.rate=uniform(0, 1)"], "FFE1019"),
        ([*SPACE, "--search", "2", "--set", "data.validation=0"], "sets no samples aside"),
        (["--search", "2", "--set", "epochs=uniform(1, 3)"], "takes a whole number, and this is"),
        (["--search", "2", "--set", "data.batch=integers(0, 9)"], "must be at least 1"),
        ([*SPACE, "--search", "2", "--set", "data.augment=[hflip()]"], "augment=[[hflip()]]"),
        ([*SPACE, "--search", "2", "--set", "seed=[1, 2]"], "by chance"),
        ([*SPACE, "--search", "2", "--set", "seed=1", "--seeds", "2"], "give `seed` twice"),
        (["--search", "2", "--set", "init=uniform(0, 0.1)"], "nothing to draw"),
    ],
)
def test_what_cannot_be_searched(
    spec: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert main(["sweep", str(spec), *arguments, "--out", "s"]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "s").exists()


def test_optuna_is_named_where_it_is_missing(
    spec: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "find_spec", lambda name: None)
    assert main(["sweep", str(spec), *SPACE, "--search", "2", "--out", "s"]) == 2
    assert "pip install 'ffebm[search]'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_search_without_classes_makes_the_loss_small(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = spec.read_text(encoding="utf-8").replace("label(6)", "vector(6)")
    spec.write_text(text.replace("cross_entropy", "mse"), encoding="utf-8")
    import numpy as np

    draw = np.random.default_rng(0).random
    arrays = {f"x_{part}": draw((20, 4, 4), np.float32) for part in ("train", "test")}
    arrays |= {f"y_{part}": draw((20, 6), np.float32) for part in ("train", "test")}
    np.savez("data/data.npz", **arrays)
    found = searched(spec, capsys, "--search", "2", "--out", "s")
    losses = [c["mean"]["mean"] for c in found["configurations"]]
    assert found["best"]["metric"] == "loss"
    assert found["best"]["value"] == pytest.approx(min(losses))
