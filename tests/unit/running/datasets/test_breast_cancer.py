"""``breast_cancer``: vectors, standardised by the training set, split the same every time."""

from __future__ import annotations

import numpy as np
import torch

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.running.datasets.raw import read_data
from ffebm_dsl.running.training.data.dataset import load

SPEC = """
ffe 1.1
model tumours {
  input  x: vector(30)
  target y: label(2)
  block b {
    feedforward u = x |> linear(16)
    energy hopfield {
      layer s1: [16] clipped_relu(4)
      u -> s1
    }
    out = s1
  }
  readout logits = b |> leaky_relu |> linear(2)
  loss = cross_entropy(logits, y)
}
train {
  data = breast_cancer  optimizer = rmsprop(lr=1e-3)  epochs = 9
  schedule = multistep([3, 6])
}
"""


def test_the_split_and_its_scale() -> None:
    raw = read_data("breast_cancer", {}, None)
    assert (raw.train.x.shape, raw.test.x.shape) == ((456, 30), (113, 30))
    assert np.allclose(raw.train.x.mean(0), 0) and np.allclose(raw.train.x.std(0), 1)
    assert np.bincount(raw.test.y).tolist() == [42, 71]


def test_a_spec_trains_on_it() -> None:
    spec = compile_spec(SourceFile("m.ffe", SPEC.lstrip())).spec
    assert spec.train is not None
    data = load(spec.train.data, spec.model, None, torch.device("cpu"), torch.float32)
    x, y = data.train.batch(np.arange(8))
    assert x.shape == (8, 30) and y.dtype == torch.int64
