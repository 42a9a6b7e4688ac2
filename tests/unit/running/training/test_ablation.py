"""Every entry of a checkpoint is needed: without it, resuming changes the run or is refused.

This is the control of the tests of resuming, which could otherwise miss faults.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import torch

from ffebm_dsl.language.diagnostics import InputError, NegativeResult
from ffebm_dsl.running.training import Options, resume, train
from ffebm_dsl.running.training import checkpoint as checkpoints
from ffebm_dsl.running.training.checkpoint import Best, Checkpoint

from .runs import controls, new_session, parameters, rows

STOP = 6
"""Inside the second epoch, after an evaluation."""

OVERRIDES = {"optimizer.lr": "3e-2", "diagnose_every": "3", "seed": "11"}

Drop = Callable[[Checkpoint], Checkpoint]


def bits(session: Any) -> str:
    """Parameters, buffers, optimiser, record without times, and the best evaluation."""
    # Sorted: in which order an optimiser's state is kept changes nothing.
    content = (sorted(parameters(session).items()), rows(session.directory.path), session.best)
    return hashlib.sha256(repr(content).encode()).hexdigest()


def position(**change: int) -> Drop:
    return lambda found: replace(found, position=replace(found.position, **change))


def settings(**change: Any) -> Drop:
    return lambda found: replace(found, settings=replace(found.settings, **change))


def identity(**change: Any) -> Drop:
    return lambda found: replace(found, identity=replace(found.identity, **change))


def tensors(part: str) -> Drop:
    """Parameters and buffers whose names end so, as they are before training."""

    def drop(found: Checkpoint) -> Checkpoint:
        fresh = {
            name: torch.zeros_like(tensor)
            for name, tensor in found.network.items()
            if name.endswith(part)
        }
        assert fresh
        return replace(found, network=found.network | fresh)

    return drop


def optimizer(key: str) -> Drop:
    def drop(found: Checkpoint) -> Checkpoint:
        state = {
            name: values | {key: torch.zeros_like(values[key])}
            for name, values in found.optimizer.items()
        }
        return replace(found, optimizer=state)

    return drop


DROPS: dict[str, Drop] = {
    "run_id": lambda found: replace(found, run_id="other"),
    "spec_text": lambda found: replace(found, spec_text=found.spec_text.replace("0.2", "0.3")),
    "network weights": tensors("weight"),
    "network biases": tensors("bias"),
    "network num_batches_tracked": tensors("num_batches_tracked"),
    "optimizer": lambda found: replace(found, optimizer={}),
    "optimizer exp_avg": optimizer("exp_avg"),
    "optimizer exp_avg_sq": optimizer("exp_avg_sq"),
    "optimizer step": optimizer("step"),
    "position.epoch": position(epoch=0),
    "position.step_in_epoch": position(step_in_epoch=0),
    "position.step": position(step=0),
    "position.evaluated": position(evaluated=-1),
    "best": lambda found: replace(found, best=Best()),
    "identity.overrides": identity(overrides={}),
    "identity.dtype": identity(dtype="float64"),
    "identity.data": identity(data={}),
    "settings.threads": settings(threads=2),
    "settings.data_dir": settings(data_dir=""),
    "environment": lambda found: replace(found, environment={}),
}

STATISTICS = "running_mean", "running_var"
"""Of batch norm: training does not look at them, and an evaluation takes them anew."""

WITHOUT_EFFECT = {
    "position.seconds": "the clock on the wall",
    "position.skipped": "counts where batches are skipped: test_bad_steps.py",
    "position.diagnose_at": "counts where diagnostics are left to ffebm: test_loop.py",
    "settings.device": "the only one here is the default",
    "settings.keep": "which files are kept, not what is computed",
    "settings.save_every": "when files are written, not what is computed",
    "identity.spec_sha256": "follows from spec_text; eval compares it with spec.ffe",
    "identity.seed": "follows from spec_text and overrides",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    session = new_session(tmp_path_factory.mktemp("whole"), OVERRIDES)
    train(session, controls())
    assert session.best.step == 4, "the best must lie behind the stop"
    return bits(session)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    train(new_session(folder, OVERRIDES), controls(max_steps=STOP))
    return folder / "run"


@pytest.fixture
def run(stopped: Path, tmp_path: Path) -> Path:
    """A copy of the stopped run that a test may change; its data stay where they are."""
    shutil.copytree(stopped, tmp_path / "run")
    return tmp_path / "run"


def go_on(run: Path, drop: Drop) -> str:
    """The final bits of a run whose checkpoint was changed."""
    folder = run / "ckpt"
    found = checkpoints.load(checkpoints.path_of(folder, STOP))
    for path in folder.iterdir():
        path.unlink()
    checkpoints.save(folder, drop(found), 9)
    session = resume(run, Options(), pytest.fail)
    train(session, controls())
    return bits(session)


def test_with_everything_the_run_is_the_whole_one(whole: str, run: Path) -> None:
    assert go_on(run, lambda found: found) == whole


@pytest.mark.parametrize("item", DROPS)
def test_without_it_the_run_is_another_or_refused(whole: str, run: Path, item: str) -> None:
    try:
        assert go_on(run, DROPS[item]) != whole
    except (InputError, NegativeResult) as error:
        assert error.message
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("item", ["position.seconds", "settings.keep", "settings.save_every"])
def test_what_has_no_effect_has_none(whole: str, run: Path, item: str) -> None:
    part, name = item.split(".")
    other = {"seconds": 9.0, "keep": 7, "save_every": 0.0}[name]

    def change(found: Checkpoint) -> Checkpoint:
        return replace(found, **{part: replace(getattr(found, part), **{name: other})})

    assert go_on(run, change) == whole


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_are_taken_anew(whole: str, run: Path, name: str) -> None:
    assert go_on(run, tensors(name)) == whole


def test_every_saved_item_is_tried() -> None:
    """A new field of a checkpoint needs an entry above."""
    named = {name.split(" ")[0] for name in DROPS} | WITHOUT_EFFECT.keys()
    for field in fields(Checkpoint):
        kind = get_type_hints(Checkpoint)[field.name]
        if is_dataclass(kind) and field.name not in named:
            parts = {f"{field.name}.{part.name}" for part in fields(kind)}
            assert parts <= named, parts - named
        else:
            assert field.name in named
