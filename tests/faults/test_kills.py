"""Random kills, damaged files, signals, two trainers and a jumping clock: a few of each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.running.records import read
from tests.faults import damage
from tests.faults.harness import AGAIN, EXIT_STORAGE, NEW, Workers
from tests.faults.kills import Job, kill_at_random

TINY = Job("tiny", ["tiny.ffe", "--data-dir=.", "--set=epochs=40", "--max-steps=30"])


def test_random_kills_leave_no_trace(workers: Workers) -> None:
    tally = kill_at_random(workers, TINY, 4, np.random.default_rng(0), ["0", "600"])
    assert tally.faults == [] and tally.kills >= 4
    assert tally.identical == tally.runs > 0


NOISY = """ffe 1.1
hardware h {
  weights       = array(levels=32, write_noise=0.02, mismatch=0.05, transpose_mismatch=0.02)
  noise         = [read(0.02), state(0.01)]
  drives        = dac(8)
  outputs       = adc(8)
  cotangents    = dac(8)
  updates       = adc(8)
  update_offset = 1e-4
}
"""


@pytest.mark.slow
def test_kills_leave_no_trace_in_a_training_on_noisy_hardware(workers: Workers) -> None:
    """Fixed and fresh draws, and the ranges that converters find, at a checkpoint and between."""
    text = (workers.folder / "tiny.ffe").read_text()
    for old, new in (
        ("ffe 1.0\n", NOISY),
        ("hopfield {", "hopfield on h {"),
        ("u -> s1", "layer s2: [4] hard_sigmoid\n      u -> s1\n      s1 <-> s2 : linear()"),
        ("out = s1", "out = s2"),
    ):
        assert old in text
        text = text.replace(old, new)
    (workers.folder / "noisy.ffe").write_text(text)
    job = Job("noisy", ["noisy.ffe", "--data-dir=.", "--set=epochs=40", "--max-steps=30"])
    tally = kill_at_random(workers, job, 4, np.random.default_rng(1), ["0", "600"])
    assert tally.faults == [] and tally.kills >= 4 and tally.resumes > 0
    assert tally.identical == tally.runs > 0


def test_damaged_files_are_refused(workers: Workers) -> None:
    tally = damage.damage_files(workers, 14, np.random.default_rng(0))
    assert tally.faults == []
    assert tally.outcomes == {f"{kind} refused": 7 for kind in ("checkpoint", "record")}


@pytest.mark.parametrize("kind", damage.KINDS)
def test_every_damage_changes_the_file(kind: str) -> None:
    content = np.random.default_rng(0).bytes(500) + bytes(500)
    for seed in range(20):
        assert damage.damaged(content, kind, np.random.default_rng(seed)) != content


def test_a_file_that_is_read_wrong_is_found(workers: Workers) -> None:
    """Whole files whose digest is another one: what silent corruption would look like."""
    assert workers.command(*NEW).code == 0
    run = workers.folder / "run"
    assert workers.read_damaged(run / "run.h5", "other")["outcome"] == "wrong"
    newest = max((run / "ckpt").glob("*.safetensors"))
    assert workers.read_damaged(newest, "other")["outcome"] == "wrong"


def start_endless(workers: Workers) -> int:
    """A run that would go on for long; its process, once it has saved inside training."""
    pid = workers.begin("command", arguments=[*NEW, "--set", "epochs=100000", "--save-every", "0"])
    while len(list(workers.folder.glob("run/ckpt/*.safetensors"))) < 3:
        time.sleep(0.01)
    return pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_with_its_own_code(workers: Workers, number: signal.Signals) -> None:
    os.kill(start_endless(workers), number)
    ended = workers.end()
    assert ended.code == 128 + number
    assert f"stopped: {number.name} ended the run after step" in ended.said
    assert "--resume run" in ended.said and "Traceback" not in ended.said
    found = workers.inspect("run")
    assert found["faults"] == [] and found["recorded"] == found["checkpoints"][0]
    assert workers.command(*AGAIN, f"--max-steps={found['recorded'] + 1}").code == 0


def test_a_second_trainer_is_refused(workers: Workers, capsys: pytest.CaptureFixture[str]) -> None:
    pid = start_endless(workers)
    assert main(["train", "--resume", str(workers.folder / "run")]) == 2
    assert f"in use by process {pid} on" in capsys.readouterr().err
    assert main(["train", "--help"]) == 0
    os.kill(pid, signal.SIGKILL)
    assert workers.end().code == -signal.SIGKILL
    assert workers.command(*AGAIN, "--max-steps=1").code == 0


def test_a_leaping_clock_does_no_harm(workers: Workers) -> None:
    assert workers.command(*NEW).code == 0
    bits = workers.inspect("run")["bits"]
    shutil.rmtree(workers.folder / "run")
    assert workers.command(*NEW, "--max-steps=3", patch="clock").code == 0
    assert workers.command(*AGAIN, patch="clock").code == 0
    found = workers.inspect("run")
    assert found["bits"] == bits and found["faults"] == []
    record = read(workers.folder / "run" / "run.h5")
    assert sorted(record["events"]["time"].tolist()) != record["events"]["time"].tolist()
    assert (np.diff(record["train"]["wall_time"]) > 0).all()


@pytest.fixture
def small_disk(workers: Workers) -> Iterator[Path]:
    """A file system of 256 KiB, where this process may mount one."""
    disk = workers.folder / "run-disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_up(workers: Workers, small_disk: Path) -> None:
    """Nothing is injected: the disk is full, and after room was made the run goes on."""
    assert workers.command(*NEW).code == 0
    bits = workers.inspect("run")["bits"]
    new = [*NEW[:-1], str(small_disk / "run")]
    filler = small_disk / "filler"
    assert workers.command(*new, "--max-steps=1").code == 0
    filler.write_bytes(bytes(100_000))
    again = ["train", "--resume", str(small_disk / "run"), "--quiet"]
    ended = workers.command(*again)
    assert ended.code == EXIT_STORAGE and "No space left on device" in ended.said
    found = workers.inspect(str(small_disk / "run"))
    assert found["faults"] == [] and found["checkpoints"]
    filler.unlink()
    assert workers.command(*again).code == 0
    assert workers.inspect(str(small_disk / "run"))["bits"] == bits


def test_a_read_only_disk(workers: Workers, small_disk: Path) -> None:
    """A run there cannot go on, is not harmed by trying, and can be evaluated."""
    run = str(small_disk / "run")
    assert workers.command(*NEW[:-1], run, "--max-steps=3").code == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    ended = workers.command("train", "--resume", run, "--quiet")
    assert ended.code == 2 and "Read-only file system" in ended.said
    assert workers.command(*NEW[:-1], str(small_disk / "other")).code == 2
    assert workers.command("eval", run).code == 0
    assert workers.inspect(run)["faults"] == []
