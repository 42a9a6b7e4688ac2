"""A network that trains quickly, with all kinds of state that must survive a stop.

Batch norm has buffers, dropout draws random numbers, Adam and momentum have state, the
learning rate falls, images are augmented, and the last batch is a partial one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.running.records import GROUPS, Record
from ffebm_dsl.running.records import read as read_record
from ffebm_dsl.running.training import Controls, Options, Progress, Session, StopRequest, start
from ffebm_dsl.running.training.progress import Progress as Silent
from ffebm_dsl.running.training.progress import Row

SPEC = """ffe 1.0
param width: int = 12 in [8, 12, 16]

model small {
  input  x: image(1, 4, 4)
  target y: label(6)
  relax free   { sweeps = 8  tolerance = 1e-4 }
  relax nudged { sweeps = 4 }
  gradient ep(beta=0.2, estimator=centered)

  block b1 {
    feedforward u = x |> flatten() |> dropout(0.2) |> linear(width) |> batch_norm1d()
    energy hopfield {
      layer s1: [width] hard_sigmoid
      layer s2: [8]     hard_sigmoid
      u  ->  s1
      s1 <-> s2 : linear()
    }
    out = s2
  }
  block b2 {
    feedforward u = b1 |> linear(width)
    energy hopfield {
      layer s1: [width] hard_sigmoid
      layer s2: [8]     identity
      u  ->  s1
      s1 <-> s2 : linear()
    }
    out = s2
  }
  readout logits = b2 |> linear(6)
  loss = cross_entropy(logits, y)
}

train {
  data      = npz("data.npz", batch=8, augment=[hflip(), crop(padding=1)])
  optimizer = adam(lr=1e-2)
  schedule  = cosine(eta_min=1e-4)
  epochs = 3  seed = 5
}
"""

HALVES = """ffe 1.1
param width: int = 6

model halves {
  input  upper: image(1, 4, 8)
  input  lower: image(1, 4, 8)
  target y:     label(10)
  relax free   { noise = [read(0.05)]  sweeps = 4  tolerance = 1e-4 }
  relax nudged { sweeps = 3 }
  gradient ep(beta=0.2, estimator=centered)

  block b {
    feedforward u = upper |> flatten() |> dropout(0.2) |> linear(width)
    feedforward v = lower |> flatten() |> linear(width) |> batch_norm1d(sync=true)
    energy hopfield {
      layer s1: [width] hard_sigmoid
      layer s2: [width] hard_sigmoid
      layer s3: [5]     hard_sigmoid
      u  ->  s1
      v  ->  s2
      s1 <-> s3 : linear()
      s2 <-> s3 : linear()
    }
    out = s3
  }
  readout logits = b |> linear(10)
  loss = cross_entropy(logits, y)
}

train {
  data      = digit_halves(batch=401, augment=[crop(padding=1), mixup(alpha=0.4)])
  optimizer = adam(lr=1e-2)
  epochs    = 2
}
"""
"""Two inputs, 1,438 samples: four steps an epoch, the last of a partial batch."""

STEPS_PER_EPOCH = 4
STEPS = 12


def write_data(folder: Path, train: int = 30, seed: int = 0) -> None:
    generator = np.random.default_rng(seed)
    np.savez(
        folder / "data.npz",
        x_train=generator.integers(0, 256, (train, 4, 4), np.uint8),
        y_train=generator.integers(0, 6, train),
        x_test=generator.integers(0, 256, (10, 4, 4), np.uint8),
        y_test=generator.integers(0, 6, 10),
    )


def new_session(
    folder: Path, overrides: Mapping[str, str] | None = None, *, text: str = SPEC, **more: Any
) -> Session:
    """A new run in ``folder/run``, on data in ``folder``."""
    if not (folder / "data.npz").exists():
        write_data(folder)
    overrides = dict(overrides or {})
    compiled = compile_spec(SourceFile("small.ffe", text), overrides)
    options = Options(overrides, folder, "cpu", threads=1, **more)
    return start(compiled, options, folder / "run")


def controls(max_steps: int = -1, progress: Progress | None = None) -> Controls:
    return Controls(StopRequest(), progress or Silent(), max_steps)


class StopAt(Progress):
    """Asks for the end at a step, or at an evaluation, as a signal would."""

    def __init__(self, request: StopRequest, signal_number: int, step: int) -> None:
        self.request, self.number, self.left = request, signal_number, step

    def step(self, row: Row) -> None:
        self.left -= 1
        if self.left == 0:
            self.request.signal_number = self.number


def parameters(session: Session) -> dict[str, bytes]:
    """The bits of everything that training changes."""
    network = session.job.network.state_dict()
    states = session.job.optimizer.state_dict()["state"]
    bits = {name: tensor.numpy().tobytes() for name, tensor in network.items()}
    for index, state in states.items():
        for name, value in state.items():
            bits[f"{index}.{name}"] = torch.as_tensor(value).numpy().tobytes()
    return bits


def read(path: Path) -> Record:
    """A record that the test itself wrote, without a process of its own to open it."""
    return read_record(path)


def rows(run: Path) -> dict[str, list[Any]]:
    """Everything measured in a run's record, times aside."""
    record = read(run / "run.h5")
    return {
        f"{group.name}/{field.name}": record[group.name][field.name].tolist()
        for group in GROUPS
        if group.rows == "step" and group.name in record.tables
        for field in group.fields
        if field.name != "wall_time"
    }
