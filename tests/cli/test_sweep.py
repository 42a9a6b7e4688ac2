"""``ffebm sweep`` and ``ffebm compare``: folders, resuming, refusals, and the table at the end."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.tools.experiments import running
from ffebm_dsl.tools.experiments.running import SweepPlan
from ffebm_dsl.tools.experiments.trials import Trial
from tests.unit.running.training.runs import HALVES, write_data

SPEC = """ffe 1.0
model m {
  input  x: image(1, 4, 4)
  target y: label(6)
  block b {
    feedforward u = x |> flatten() |> linear(8)
    energy hopfield {
      layer s1: [8] hard_sigmoid
      layer s2: [6] identity
      u -> s1
      s1 <-> s2 : linear()
    }
    out = s2
  }
  loss = cross_entropy(b, y)
}
train {
  data      = npz("data.npz", batch=8)
  optimizer = adam(lr=1e-3)
  epochs    = 1
}
"""
GRID = ["--set", "optimizer.lr=[1e-2, 3e-2]", "--seeds", "2"]


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data").mkdir()
    write_data(tmp_path / "data")
    monkeypatch.chdir(tmp_path)  # where `data` is the data directory
    path = tmp_path / "m.ffe"
    path.write_text(SPEC, encoding="utf-8")
    return path


class InThisProcess:
    """A process of a trial that is none: what one imports takes longer than what it does."""

    def __init__(self, command: list[str], *, stdout: IO[bytes], **options: object) -> None:
        with (
            os.fdopen(os.dup(stdout.fileno()), "a", encoding="utf-8") as log,
            redirect_stdout(log),
            redirect_stderr(log),
        ):
            self.returncode = main(command[command.index("ffebm_dsl") + 1 :])

    def poll(self) -> int:
        return self.returncode


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = SimpleNamespace(Popen=InThisProcess, DEVNULL=subprocess.DEVNULL)
    monkeypatch.setattr(running, "subprocess", processes)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_running_trials_end(
    spec: Path,
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[int] = []
    signals = [number]

    class Training:
        """A process that ends when it is asked to; the sweep gets a signal meanwhile."""

        def __init__(self, command: list[str], **options: object) -> None:
            self.send_signal = asked.append

        def poll(self) -> None:
            if signals:
                signal.raise_signal(signals.pop())

        def wait(self) -> None:
            assert asked

    processes = SimpleNamespace(Popen=Training, DEVNULL=subprocess.DEVNULL)
    monkeypatch.setattr(running, "subprocess", processes)
    assert main(["sweep", str(spec), "--seeds", "2", "--jobs", "2"]) == 128 + number
    assert asked == [signal.SIGINT] * 2
    assert capsys.readouterr().err == (
        f"stopped: {number.name} ended the sweep; its runs are saved\n"
        "  = help: the same command continues it\n"
    )


def called(*arguments: object) -> dict[str, Any]:
    """What ``ffebm ... --json`` prints, in a process of its own."""
    command = [sys.executable, "-m", "ffebm_dsl", *map(str, arguments), "--json"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    data: dict[str, Any] = json.loads(found.stdout)
    return data


def test_a_sweep_trains_what_is_missing_and_compares(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    arguments = ["sweep", str(spec), *GRID, "--out", str(folder), "--jobs", "2", "--quiet"]
    assert main(["sweep", str(spec), "--seeds", "9", "--out", str(folder), "--dry-run"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 9
    assert main([*arguments, "--dry-run"]) == 0  # nothing was trained: another sweep may be
    commands = capsys.readouterr().out.splitlines()
    assert len(commands) == 4
    begun = f"ffebm train {folder}/spec.ffe --out {folder}/optimizer.lr=1e-2,seed=0 "
    assert commands[0].startswith(begun)
    for command in commands[1:]:
        assert main(shlex.split(command)[1:]) == 0
    capsys.readouterr()
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "different seeds" not in printed
    runs = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert runs == [
        "logs",
        *(f"optimizer.lr={lr},seed={k}" for lr in ("1e-2", "3e-2") for k in (0, 1)),
    ]
    assert "optimizer.lr=1e-2" in printed and "difference" in printed
    # The set is named, and no interval is cut.
    assert "test" in printed and printed.count("[") == printed.count("]") == 3
    moved = (folder / "optimizer.lr=1e-2,seed=0").rename(tmp_path / "moved")
    assert main(["compare", str(folder)]) == 0
    streams = capsys.readouterr()
    assert "1 of 4 trials without a run are left out" in streams.err
    assert "Rows have different seeds" in streams.out
    moved.rename(folder / "optimizer.lr=1e-2,seed=0")
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/run.h5")}
    spec.unlink()  # the folder has a text of its own
    (tmp_path / "again.ffe").write_text(SPEC, encoding="utf-8")
    assert main(["sweep", str(tmp_path / "again.ffe"), *arguments[2:]]) == 0
    assert capsys.readouterr().out == printed
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("*/run.h5")}
    assert main(["compare", str(folder), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [c["runs"] for c in data["configurations"]] == [2, 2]
    assert main(["report", str(folder), "--out", str(tmp_path / "p.html")]) == 0
    assert "Over seeds" in (tmp_path / "p.html").read_text(encoding="utf-8")
    # One of the runs, beside its own sweep: it would count twice.
    capsys.readouterr()
    assert main(["compare", str(folder), str(next(folder.glob("*/run.h5")).parent)]) == 2
    assert "count twice" in capsys.readouterr().err


@pytest.mark.usefixtures("in_this_process")
def test_trials_write_logs(spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "sweep"
    arguments = ["sweep", str(spec), "--seeds", "1", "--out", str(folder), "--quiet"]
    assert main([*arguments, "--log", "paper"]) == 2
    assert "--log paper: not a log" in capsys.readouterr().err and not folder.exists()
    assert main([*arguments, "--log", "csv"]) == 0
    assert (folder / "seed=0" / "csv" / "train.csv").is_file()
    # It changes no number, so the folder is that of the same sweep without it.
    assert main(arguments) == 0


@pytest.mark.usefixtures("in_this_process")
def test_a_sweep_of_two_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, folder = tmp_path / "m.ffe", tmp_path / "sweep"
    spec.write_text(HALVES, encoding="utf-8")
    arguments = ["--set", "width=[4, 6]", "--set", "epochs=1", "--out", str(folder)]
    assert main(["sweep", str(spec), *arguments, "--quiet", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [c["runs"] for c in found["configurations"]] == [1, 1]


def test_a_trial_that_goes_on_writes_its_logs_again(tmp_path: Path) -> None:
    trial = Trial("seed=0", {"seed": "0"})
    sweep = SweepPlan(tmp_path, [trial], ["--threads=1"], ["--log=csv"])
    spec = tmp_path / "m.ffe"
    begun = ["train", str(spec), "--out", str(tmp_path / "seed=0"), "--set=seed=0"]
    assert sweep.command(trial, spec) == [*begun, "--threads=1", "--log=csv", "--quiet"]
    (tmp_path / "seed=0").mkdir()
    resumed = ["train", "--resume", str(tmp_path / "seed=0"), "--log=csv", "--quiet"]
    assert sweep.command(trial, spec) == resumed


def test_another_sweep_is_not_mixed_into_a_folder(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    (folder / "sweep.json").write_text('{"format": "ffebm-sweep 1", "trials": []}')
    (folder / "spec.ffe").write_text(SPEC, encoding="utf-8")
    (folder / "seed=0").mkdir()
    assert main(["sweep", str(spec), *GRID, "--out", str(folder)]) == 2
    assert "folder of another sweep: options, trials differ" in capsys.readouterr().err
    (folder / "sweep.json").unlink()
    (folder / "seed=0").rmdir()
    (folder / "logs").rmdir()
    (folder / ".lock").unlink()
    assert main(["sweep", str(spec), *GRID, "--out", str(folder)]) == 2
    assert "something that is not part of a sweep: spec.ffe" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["spec.ffe"]
    assert main(["compare", str(folder)]) == 2
    assert "is not a run directory" in capsys.readouterr().err


def test_a_wrong_alternative_is_told_before_anything_is_made(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    wrong = ["--set", "optimizer.lr=[1e-2, 0]", "--out", str(folder)]
    assert main(["sweep", str(spec), *wrong]) == 2
    assert "FFE1010" in capsys.readouterr().err and not folder.exists()


@pytest.mark.usefixtures("in_this_process")
def test_a_trial_that_cannot_start_ends_the_sweep_and_names_its_log(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    nowhere = ["--data-dir", str(tmp_path / "nowhere"), "--out", str(folder), "--quiet"]
    assert main(["sweep", str(spec), "--seeds", "1", *nowhere]) == 2
    assert f"{folder / 'logs' / 'seed=0.log'}" in capsys.readouterr().err
    assert "is not a folder" in (folder / "logs" / "seed=0.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_sweep_killed_at_random_instants_gives_the_same_table(spec: Path, tmp_path: Path) -> None:
    arguments = ("sweep", spec, *GRID, "--set", "epochs=3", "--jobs", 2, "--quiet")
    undisturbed = called(*arguments, "--out", tmp_path / "a")
    instants = random.Random(0)
    command = [
        sys.executable,
        "-m",
        "ffebm_dsl",
        *map(str, arguments),
        "--out",
        str(tmp_path / "b"),
    ]
    for kill in range(20):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(instants.uniform(0.5, 12.0))
        if kill % 2:
            for child in _children(process.pid):
                os.kill(child, signal.SIGKILL)
        process.kill()
        process.wait()
    disturbed = called(*arguments, "--out", tmp_path / "b")
    assert disturbed["configurations"] == undisturbed["configurations"]


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(word) for word in text.split()]


def test_the_pages_pipe_runs_every_command_that_dry_run_prints() -> None:
    """Values with parentheses, spaces and quotes among them."""
    page = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")
    (pipe,) = re.findall(r"--dry-run \| (xargs .*?)`", page)
    values = ["optimizer=sgd(lr=0.1, momentum=0.9)", 'data=npz("a b.npz")', "width=8"]
    lines = "".join(f"{shlex.join(['echo', value])}\n" for value in values)
    done = subprocess.run(["bash", "-c", pipe], input=lines, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(values)
