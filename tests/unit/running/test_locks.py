"""Locks: one process at a time, and no access outside the folder of the lock."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.storage import FileLock

HOLDER = """
import sys
from pathlib import Path
from ffebm_dsl.running.storage import FileLock
lock = FileLock(Path(sys.argv[1]))
assert lock.acquire() == ""
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_is_released(tmp_path: Path) -> None:
    one, two = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    with one:
        assert one.acquire() == ""
        assert two.acquire().startswith(f"process {os.getpid()} on ")
        with pytest.raises(InputError, match=f"is in use by process {os.getpid()} on"), two:
            pass
    assert two.acquire() == ""
    two.release()
    two.release()


def test_a_lock_taken_out_of_its_context_outlives_it(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    with ExitStack() as stack:
        stack.enter_context(lock)
        stack.pop_all()
    assert FileLock(tmp_path / "lock").acquire()


def test_a_forgotten_lock_is_released(tmp_path: Path) -> None:
    assert FileLock(tmp_path / "lock").acquire() == ""
    assert FileLock(tmp_path / "lock").acquire() == ""


def test_the_end_of_a_process_releases_its_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        lock = FileLock(tmp_path / "lock")
        assert lock.acquire().startswith(f"process {holder.pid} on")
        holder.kill()
        holder.wait()
        assert lock.acquire(wait=True) == ""


def test_a_planted_lock_is_not_written_to(tmp_path: Path) -> None:
    mine, lock = tmp_path / "mine", tmp_path / "lock"
    mine.write_text("mine")
    for plant in (lock.symlink_to, lock.hardlink_to):
        plant(mine)
        with pytest.raises(InputError, match="is not a file that ffebm made"):
            FileLock(lock).acquire()
        lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(InputError, match="is not a file that ffebm made"):
        FileLock(lock).acquire()
    assert mine.read_text() == "mine"


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        FileLock(tmp_path / "absent" / "lock").acquire()
