"""Observing a run does not change it: one hash, whatever is shown, measured or saved."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch

from ffebm_dsl.running.training import Options, Progress, progress_on, resume, train
from ffebm_dsl.running.training.progress import Row

from .runs import controls, new_session, parameters


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Meddler(Progress):
    """Draws random numbers whenever it is told something, as a careless viewer might."""

    def step(self, row: Row) -> None:
        torch.rand(3)

    def evaluated(self, text: str, on: str, row: Row) -> None:
        torch.rand(3)


@pytest.fixture(scope="module")
def unwatched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Evaluated once, at the end; nothing shown; saved as seldom as can be."""
    quiet = {"eval_every": "3", "checkpoint_every": "3", "diagnose_every": "0"}
    session = new_session(tmp_path_factory.mktemp("unwatched"), quiet)
    train(session, controls())
    return parameters(session)


@pytest.mark.parametrize(
    "overrides",
    [
        {"diagnose_every": "1"},
        {"eval_every": "1", "checkpoint_every": "1"},
        {"diagnose_every": "2", "eval_every": "2"},
    ],
    ids=str,
)
def test_what_is_measured(
    tmp_path: Path, unwatched: dict[str, bytes], overrides: dict[str, str]
) -> None:
    session = new_session(tmp_path, overrides)
    train(session, controls())
    assert parameters(session) == unwatched


@pytest.mark.parametrize(
    "progress", [progress_on(Terminal()), progress_on(io.StringIO()), Meddler()]
)
def test_what_is_shown(tmp_path: Path, unwatched: dict[str, bytes], progress: Progress) -> None:
    session = new_session(tmp_path)
    train(session, controls(progress=progress))
    assert parameters(session) == unwatched


def test_what_is_saved(tmp_path: Path, unwatched: dict[str, bytes]) -> None:
    session = new_session(tmp_path, keep=20, save_every=0.0)
    train(session, controls(max_steps=7))
    assert len(list((tmp_path / "run" / "ckpt").glob("*.safetensors"))) == 8
    session = resume(tmp_path / "run", Options(), pytest.fail)
    train(session, controls())
    assert parameters(session) == unwatched


def test_another_seed_is_seen(tmp_path: Path, unwatched: dict[str, bytes]) -> None:
    """The comparison can fail."""
    session = new_session(tmp_path, {"seed": "6"})
    train(session, controls())
    assert parameters(session) != unwatched
