"""``ffebm train --log``: contents of the logs, and missing packages."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.running.records import read

SPEC = Path(__file__).parents[2] / "specs" / "small" / "smallest.ffe"
SETTINGS = ["--set", "epochs=2", "--set", "data.batch=256", "--set", "data.validation=0.1"]


def trained(run: Path, *more: str) -> int:
    return main(["train", str(SPEC), "--out", str(run), "--quiet", "--threads", "1", *more])


def rows(run: Path, name: str) -> list[dict[str, str]]:
    with (run / "csv" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv_holds_the_numbers_of_the_record_also_of_a_run_that_was_resumed(
    tmp_path: Path,
) -> None:
    run = tmp_path / "r"
    assert trained(run, *SETTINGS, "--log", "csv", "--max-steps", "7") == 0
    assert [int(row["step"]) for row in rows(run, "train")] == list(range(1, 8))
    assert main(["train", "--resume", str(run), "--quiet", "--log", "csv"]) == 0
    record = read(run / "run.h5")
    for name, table in (("train", "train"), ("validation", "eval"), ("test", "test")):
        found = rows(run, name)
        assert len(found) == len(record[table])
        for column in ("step", "loss"):
            assert [float(row[column]) for row in found] == record[table][column].tolist()


def test_tensorboard_shows_the_same(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "r"
    assert trained(run, *SETTINGS, "--log", "tensorboard") == 0
    record = read(run / "run.h5")
    found = EventAccumulator(str(run / "tensorboard"))
    found.Reload()
    for tag, table in (("train/loss", "train"), ("validation/top1", "eval"), ("test/loss", "test")):
        events = found.Scalars(tag)
        assert [e.step for e in events] == record[table]["step"].tolist()
        expected = record[table][tag.partition("/")[2]]
        assert [e.value for e in events] == pytest.approx(expected.tolist(), rel=1e-6)


class Wandb(ModuleType):
    """As much of wandb as ffebm calls."""

    class Error(Exception):
        pass

    def __init__(self, fails: bool = False) -> None:
        super().__init__("wandb")
        self.given: dict[str, Any] = {}
        self.rows: list[dict[str, Any]] = []
        self.finished = self.fails = fails

    def init(self, **given: Any) -> Wandb:
        if self.fails:
            raise self.Error("no API key")
        self.given = given
        return self

    def define_metric(self, name: str, step_metric: str) -> None:
        assert (name, step_metric) == ("*", "step")

    def log(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Wandb:
    module = Wandb()
    module.__spec__ = SPEC_OF_A_MODULE
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


SPEC_OF_A_MODULE = sys.__spec__


def test_wandb_is_told_the_same(tmp_path: Path, wandb: Wandb) -> None:
    run = tmp_path / "r"
    assert trained(run, *SETTINGS, "--log", "wandb") == 0
    assert wandb.finished and wandb.given["id"] == wandb.given["name"] == "r"
    assert wandb.given["config"]["train"]["epochs"] == 2
    losses = [row["train/loss"] for row in wandb.rows if "train/loss" in row]
    assert losses == read(run / "run.h5")["train"]["loss"].tolist()
    assert sum("test/top1" in row for row in wandb.rows) == 1
    assert all(math.isfinite(v) for row in wandb.rows for v in row.values())


def test_without_an_account_the_run_can_go_on(
    tmp_path: Path, wandb: Wandb, capsys: pytest.CaptureFixture[str]
) -> None:
    wandb.fails = True
    run = tmp_path / "r"
    assert trained(run, *SETTINGS, "--log", "wandb") == 2
    assert "no API key" in capsys.readouterr().err
    assert main(["train", "--resume", str(run), "--quiet", "--max-steps", "1"]) == 0


@pytest.mark.parametrize(
    ("logs", "message"),
    [
        (["csv", "csv"], "--log gives csv twice"),
        (["tensorbord"], "--log tensorbord: not a log"),
        (["wandb"], "pip install 'ffebm[wandb]'"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_starts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    logs: list[str],
    message: str,
) -> None:
    monkeypatch.setattr("ffebm_dsl.running.training.live_log.find_spec", lambda name: None)
    given = [word for name in logs for word in ("--log", name)]
    assert trained(tmp_path / "r", *given) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
