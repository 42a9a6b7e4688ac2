"""Denormal numbers are zero during a training, in worker threads too, and back afterwards."""

from __future__ import annotations

import subprocess
import sys

import torch

from ffebm_dsl.running.training.denormals import flushing_denormals

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
