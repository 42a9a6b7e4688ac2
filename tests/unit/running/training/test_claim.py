"""One trainer at a time, and no way out of the run directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ffebm_dsl.language.diagnostics import InputError, StorageError
from ffebm_dsl.running.training.claim import Claim

HOLDER = """
import sys
from pathlib import Path
from ffebm_dsl.running.training.claim import Claim
claim = Claim(Path(sys.argv[1]))
claim.take()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_claim_is_given_back(tmp_path: Path) -> None:
    one, two = Claim(tmp_path), Claim(tmp_path)
    with one:
        one.take()
        with pytest.raises(InputError, match=f"process {os.getpid()} on"):
            two.take()
    two.take()
    two.release()
    two.release()


def test_a_kept_claim_outlives_its_context_but_not_an_error(tmp_path: Path) -> None:
    claim = Claim(tmp_path)
    with claim:
        claim.keep()
    with pytest.raises(InputError):
        Claim(tmp_path).take()
    with pytest.raises(ZeroDivisionError), claim:
        claim.keep()
        raise ZeroDivisionError
    Claim(tmp_path).take()


def test_a_forgotten_claim_is_given_back(tmp_path: Path) -> None:
    Claim(tmp_path).take()
    Claim(tmp_path).take()


def test_the_end_of_a_process_frees_its_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=f"trainer: process {holder.pid} on"):
            Claim(tmp_path).take()
        holder.kill()
        holder.wait()
        Claim(tmp_path).take()


def test_a_planted_lock_is_not_written_to(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for plant in ((run / ".lock").symlink_to, (run / ".lock").hardlink_to):
        plant(mine)
        with pytest.raises(InputError, match="is not a file that ffebm made"):
            Claim(run).take()
        (run / ".lock").unlink()
    os.mkfifo(run / ".lock")
    with pytest.raises(InputError, match="is not a file that ffebm made"):
        Claim(run).take()
    assert mine.read_text() == "mine"


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        Claim(tmp_path / "absent").take()
