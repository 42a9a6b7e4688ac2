"""Default device, threads and folders of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.running.training import Options, job
from ffebm_dsl.running.training.checkpoint import Settings
from ffebm_dsl.running.training.job import settle

from .runs import SPEC

SMALL = compile_spec(SourceFile("small.ffe", SPEC)).spec
LARGE = compile_spec(SourceFile("small.ffe", SPEC), {"data.batch": "1000000"}).spec


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Torch would take three; what is set is not left behind."""
    before = torch.get_num_threads()
    monkeypatch.setattr(job, "TORCH_THREADS", 3)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    yield
    torch.set_num_threads(before)


def test_little_work_has_one_thread() -> None:
    """On a busy machine more of them wait for each other."""
    assert settle(Options(device="cpu"), SMALL).threads == 1 == torch.get_num_threads()
    assert settle(Options(device="cpu"), LARGE).threads == 3 == torch.get_num_threads()


def test_whoever_says_how_many_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settle(Options(device="cpu", threads=2), SMALL).threads == 2
    known = Settings("cpu", 2, "", 2, 600.0)
    assert settle(Options(), SMALL, known).threads == 2
    assert settle(Options(threads=1), LARGE, known).threads == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert settle(Options(device="cpu"), SMALL).threads == 3


def test_the_folder_data_is_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `ffebm data`; of a run, its own comes first."""
    monkeypatch.chdir(tmp_path)
    assert settle(Options(device="cpu"), SMALL).data_dir == ""
    (tmp_path / "data").mkdir()
    assert settle(Options(device="cpu"), SMALL).data_dir == str(tmp_path / "data")
    known = Settings("cpu", 2, "/elsewhere", 2, 600.0)
    assert settle(Options(), SMALL, known).data_dir == "/elsewhere"
    assert settle(Options(data_dir="other"), SMALL, known).data_dir == str(tmp_path / "other")
