"""Denormals are zero in trainings and evaluations, worker threads included, and then back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.running.training import Options, evaluate_run, train
from ffebm_dsl.running.training.data import Dataset
from ffebm_dsl.running.training.denormals import flushing_denormals
from ffebm_dsl.running.training.evaluation import Evaluation, evaluate

from .runs import controls, new_session

WORKERS = """
import torch
from ffebm_dsl.running.training.denormals import flushing_denormals

torch.set_num_threads(2)
with flushing_denormals():
    print(int((torch.full((1 << 20,), 2e-38) / 4).count_nonzero()))
"""


def quarter(value: float) -> float:
    return float(torch.tensor(value) / 4)


def test_they_are_zero_inside_and_as_before_outside() -> None:
    assert quarter(2e-38) > 0
    with flushing_denormals():
        assert quarter(2e-38) == 0
        with flushing_denormals():
            pass
        assert quarter(2e-38) == 0
    assert quarter(2e-38) > 0


def test_worker_threads_flush_too() -> None:
    done = subprocess.run([sys.executable, "-c", WORKERS], capture_output=True, text=True)
    assert done.stdout == "0\n", done.stderr


def test_a_run_is_evaluated_as_in_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = new_session(tmp_path, {"epochs": "1"})
    train(session, controls())
    seen = []

    def spy(network: HybridNetwork, data: Dataset, batch: int) -> Evaluation:
        seen.append(quarter(2e-38))
        return evaluate(network, data, batch)

    monkeypatch.setattr(sys.modules[evaluate_run.__module__], "evaluate", spy)
    evaluate_run(session.directory.path, None, Options(), None, pytest.fail)
    assert seen == [0.0]
