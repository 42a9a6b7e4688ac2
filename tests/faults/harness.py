"""Runs of ``ffebm train`` that are killed or refused at chosen system calls, and their remains."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]

SPEC = """ffe 1.0
model tiny {
  input  x: vector(4)
  target y: label(3)
  relax free   { sweeps = 3 }
  relax nudged { sweeps = 2 }
  block b {
    feedforward u = x |> dropout(0.2) |> linear(4) |> batch_norm1d()
    energy hopfield {
      layer s1: [4] hard_sigmoid
      u -> s1
    }
    out = s1
  }
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}
train {
  data      = npz("data.npz", batch=4)
  optimizer = adam(lr=1e-2)
  schedule  = cosine(eta_min=1e-4)
  epochs = 3  seed = 5
}
"""
"""Two steps an epoch, and a state of every kind."""

WRITES = ("write", "pwrite64", "writev", "ftruncate")
SYNCS = ("fsync", "fdatasync")
NAMES = ("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir")
CALLS = (*WRITES, *SYNCS, *NAMES)

EXIT_STORAGE = 74


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (negative: a signal), and what it said."""

    code: int
    said: str


@dataclass
class Workers:
    """A folder with the tiny spec and its data, and the process that forks others there."""

    folder: Path
    _server: subprocess.Popen[str] | None = field(default=None, repr=False)

    def __enter__(self) -> Workers:
        prepare(self.folder)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker", str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        assert self._answer() == "ready"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.communicate()

    def begin(self, task: str, *, gate: Path | None = None, **more: Any) -> int:
        """Fork a process for a task, which it begins when the file ``gate`` exists; its number."""
        assert self._server is not None and self._server.stdin is not None
        streams = {name: str(self.folder / name) for name in ("stdout", "stderr")}
        request = {"task": task, "folder": str(self.folder), "gate": str(gate or ""), **streams}
        request |= more
        print(json.dumps(request), file=self._server.stdin, flush=True)
        return int(self._answer())

    def end(self) -> Ended:
        """Wait for the process that was forked last."""
        code = int(self._answer())
        said = [(self.folder / name).read_text(errors="replace") for name in ("stdout", "stderr")]
        return Ended(code, "".join(said))

    def command(self, *arguments: str, **more: Any) -> Ended:
        """Run ``ffebm`` to its end."""
        self.begin("command", arguments=list(arguments), **more)
        return self.end()

    def inspect(self, run: str) -> dict[str, Any]:
        """``state.inspect`` of a run directory, in a process that may crash of it."""
        result = self.folder / "inspected"
        self.begin("inspect", run=run, result=str(result))
        ended = self.end()
        if ended.code:
            return {"faults": [f"inspection ended with {ended.code}: {ended.said}"]}
        found: dict[str, Any] = json.loads(result.read_text())
        return found

    def read_damaged(self, path: Path, digest: str) -> dict[str, Any]:
        """``state.read_damaged`` of a file, in a process that may crash of it."""
        result = self.folder / "outcome"
        self.begin("read", file=str(path), digest=digest, result=str(result))
        ended = self.end()
        if ended.code:
            return {"outcome": f"crashed with {ended.code}", "message": ended.said}
        outcome: dict[str, Any] = json.loads(result.read_text())
        return outcome

    def _answer(self) -> str:
        assert self._server is not None and self._server.stdout is not None
        line = self._server.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with {self._server.wait()}")
        return line.strip()


def prepare(folder: Path) -> None:
    """The tiny spec and its data."""
    generator = np.random.default_rng(0)
    np.savez(
        folder / "data.npz",
        x_train=generator.random((8, 4), np.float32),
        y_train=generator.integers(0, 3, 8),
        x_test=generator.random((4, 4), np.float32),
        y_test=generator.integers(0, 3, 4),
    )
    (folder / "tiny.ffe").write_text(SPEC)


NEW = ("train", "tiny.ffe", "--data-dir", ".", "--device", "cpu", "--threads", "1", "--quiet")
NEW = (*NEW, "--out", "run")
AGAIN = ("train", "--resume", "run", "--quiet")


@dataclass(frozen=True)
class Point:
    """A system call of a run: its name, and its number among those of that name."""

    call: str
    number: int


def can_trace() -> str:
    """Why strace cannot be used here; "" if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(
        ["strace", "-o", "/dev/null", "-e", "trace=write", "true"], capture_output=True, text=True
    )
    return "" if done.returncode == 0 else f"strace may not trace: {done.stderr.strip()}"


def traced(workers: Workers, inject: str = "", patch: str = "") -> tuple[Ended, str]:
    """A new run from its start, under strace; how it ended, and the log of its calls."""
    log = workers.folder / "strace.log"
    gate = workers.folder / "gate"
    gate.unlink(missing_ok=True)
    pid = workers.begin("command", gate=gate, arguments=list(NEW), patch=patch)
    command = ["strace", "-f", "-qq", "-y", "-o", str(log), "-e", f"trace={','.join(CALLS)}"]
    if inject:
        command += ["-e", f"inject={inject}"]
    with subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.DEVNULL) as tracer:
        while "TracerPid:\t0" in Path(f"/proc/{pid}/status").read_text():
            assert tracer.poll() is None
            time.sleep(0.002)
        gate.touch()
        ended = workers.end()
    return ended, log.read_text(errors="replace")


LINE = re.compile(r"^(?P<pid>\d+) +(?P<call>\w+)\((?P<arguments>.*)\) += +(?P<result>-?\d+|\?)")


def calls(log: str) -> list[re.Match[str]]:
    """The calls of a log, in order."""
    return [match for line in log.splitlines() if (match := LINE.match(line))]


def points(log: str) -> list[Point]:
    """Every call of a run that was traced to its end."""
    counts: Counter[str] = Counter()
    found = []
    for match in calls(log):
        counts[match["call"]] += 1
        found.append(Point(match["call"], counts[match["call"]]))
    return found


def committed(log: str) -> int:
    """The step of the newest checkpoint whose rename was done; -1: none."""
    steps = [
        int(step[1])
        for match in calls(log)
        if match["call"].startswith("rename") and match["result"] == "0"
        for step in [re.search(r'ckpt/step-(\d+)\.safetensors"[^"]*$', match["arguments"])]
        if step
    ]
    return max(steps, default=-1)


def unsafe_renames(log: str, folder: Path) -> list[str]:
    """Renames that a loss of power could turn into a loss of data.

    A file must be synced after its last write and before its rename, and the folder of its
    new name before anything else is renamed or removed.
    """
    faults = []
    unsynced: set[str] = set()
    pending = ""
    for match in calls(log):
        call, arguments = match["call"], match["arguments"]
        target = re.match(r"\d+<([^>]*)>", arguments)
        if call in WRITES and target and target[1].startswith("/"):
            unsynced.add(target[1])
        elif call in SYNCS and target:
            unsynced.discard(target[1])
            pending = "" if target[1] == pending else pending
        elif call in NAMES and match["result"] == "0" and not call.startswith("mkdir"):
            if pending:
                faults.append(f"{pending} is not synced before {call}({arguments})")
            if call.startswith("rename"):
                old, new = re.findall(r'"([^"]*)"', arguments)[:2]
                faults += [
                    f"{path} is renamed before it is synced"
                    for path in unsynced
                    if path.endswith(f"/{old}") or path == old
                ]
                pending = str((folder / new).parent)
    return faults + ([f"{pending} is never synced"] if pending else [])


@dataclass(frozen=True)
class Verdict:
    """What was wrong after one fault, if anything was."""

    point: Point
    kind: str
    code: int
    faults: tuple[str, ...]


def whole_run(workers: Workers, patch: str = "") -> tuple[list[Point], str, str]:
    """The run that nothing disturbs: its calls, its final bits, and its log."""
    clear(workers.folder)
    ended, log = traced(workers, patch=patch)
    found = workers.inspect("run")
    if ended.code or found["faults"]:
        raise RuntimeError(f"the undisturbed run ended with {ended}: {found['faults']}")
    return points(log), found["bits"], log


def try_point(workers: Workers, point: Point, kind: str, bits: str, patch: str = "") -> Verdict:
    """One new run with one fault; then look, go on, and compare with the undisturbed run.

    ``kind`` is ``kill``, ``full once`` or ``full for good``.
    """
    clear(workers.folder)
    fault = "signal=KILL" if kind == "kill" else "error=ENOSPC"
    when = f"{point.number}{'+' if kind == 'full for good' else ''}"
    ended, log = traced(workers, f"{point.call}:{fault}:when={when}", patch)
    expected = -signal.SIGKILL if kind == "kill" else EXIT_STORAGE
    faults = [] if ended.code == expected else [f"ended with {ended.code}: {ended.said}"]
    faults += after_fault(workers, committed(log), bits)
    return Verdict(point, kind, ended.code, tuple(faults))


def after_fault(workers: Workers, step: int, bits: str) -> list[str]:
    """What is wrong with a run that was cut short, whose checkpoint of ``step`` was durable."""
    faults = []
    if (workers.folder / "run").exists():
        found = workers.inspect("run")
        faults += found["faults"]
        if max(found.get("checkpoints", []), default=-1) < step:
            faults.append(f"the checkpoint of step {step} is gone")
        ended = workers.command(*AGAIN)
    else:
        ended = workers.command(*NEW)
    if ended.code:
        return [*faults, f"going on ended with {ended.code}: {ended.said}"]
    found = workers.inspect("run")
    faults += found["faults"]
    if found.get("bits") != bits:
        faults.append("the final state differs from that of the undisturbed run")
    leftovers = [path.name for path in workers.folder.rglob(".*") if path.name != ".lock"]
    return faults + [f"{name} is left behind" for name in leftovers]


def clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name.startswith((".run", "run")):
            shutil.rmtree(path)


def summarise(verdicts: Sequence[Verdict]) -> str:
    """The faults found, one a line."""
    return "\n".join(f"{v.kind} at {v.point}: {fault}" for v in verdicts for fault in v.faults)
