"""Processes to be killed, forked from one that has imported torch.

``python -m tests.faults.worker FOLDER [MODULE ...]`` reads requests, one JSON object per line, and
answers each with the process that it forked and then with the result of that process. A forked
process runs the ``ffebm`` command like a user; starting Python and torch for every kill would take
seconds, and there is a kill at every system call.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.faults import patches, state

SCOUT = [*("train", "tiny.ffe", "--data-dir", ".", "--out", "scout", "--device", "cpu"), "--quiet"]


def preload(folder: Path) -> None:
    """Import all that a run needs, as a process that is forked for a run tells it.

    Nothing is run here: threads do not survive a fork.
    """
    import torch

    import ffebm_dsl.cli.main
    import ffebm_dsl.cli.train
    import ffebm_dsl.running.training  # noqa: F401

    torch.set_num_threads(1)
    listing = folder / "modules"
    if os.fork() == 0:
        request = dict.fromkeys(("stdout", "stderr"), os.devnull) | {"folder": str(folder)}
        child({"task": "scout", **request, "arguments": SCOUT, "result": str(listing)})
    os.wait()
    for name in json.loads(listing.read_text()):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def run_scout(request: Mapping[str, Any]) -> int:
    code = run_command(request)
    Path(request["result"]).write_text(json.dumps(list(sys.modules)))
    return code


def run_command(request: Mapping[str, Any]) -> int:
    from ffebm_dsl.cli.main import main

    patches.install(request.get("patch", ""))
    return main(request["arguments"])


def run_inspection(request: Mapping[str, Any]) -> int:
    found = state.inspect(Path(request["run"]))
    Path(request["result"]).write_text(json.dumps(found))
    return 0


def run_reading(request: Mapping[str, Any]) -> int:
    outcome = state.read_damaged(Path(request["file"]), request["digest"])
    Path(request["result"]).write_text(json.dumps(outcome))
    return 0


TASKS: Mapping[str, Callable[[Mapping[str, Any]], int]] = {
    "scout": run_scout,
    "command": run_command,
    "inspect": run_inspection,
    "read": run_reading,
}


def _wait_for(gate: Path) -> None:
    """Until the tracer is there. (A SIGCONT that comes while strace attaches may be lost.)"""
    while not gate.exists():
        time.sleep(0.002)


def child(request: Mapping[str, Any]) -> None:
    """Run one task and end this process; what it prints goes to files."""
    code = 70
    try:
        for stream, name in ((1, "stdout"), (2, "stderr")):
            opened = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(opened, stream)
            os.close(opened)
        os.chdir(request["folder"])
        if request.get("gate"):
            _wait_for(Path(request["gate"]))
        code = TASKS[request["task"]](request)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def serve(folder: Path) -> None:
    preload(folder)
    print("ready", flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            child(json.loads(line))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
