"""Data sets of scikit-learn: the same numbers, with a fixed split."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.running.datasets.bundled import columns, rows_for_test
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


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits  # takes seconds

    raw, bundled = read_data("digits", {}, None), load_digits()
    images, labels = bundled.images.astype(np.uint8)[:, None], bundled.target.astype(np.uint8)
    test = rows_for_test(labels)
    for split, rows in ((raw.train, ~test), (raw.test, test)):
        assert split.inputs[0].dtype == split.y.dtype == np.uint8
        assert np.array_equal(split.inputs[0], images[rows]) and np.array_equal(
            split.y, labels[rows]
        )


def test_breast_cancer_is_that_of_scikit_learn() -> None:
    from sklearn.datasets import load_breast_cancer  # takes seconds

    raw, bundled = read_data("breast_cancer", {}, None), load_breast_cancer()
    test = rows_for_test(bundled.target)
    train = bundled.data[~test]
    features = (bundled.data - train.mean(0)) / train.std(0)
    for split, rows in ((raw.train, ~test), (raw.test, test)):
        assert np.array_equal(split.inputs[0], features[rows])
        assert np.array_equal(split.y, bundled.target[rows])


def test_a_file_that_is_gone_is_named() -> None:
    with pytest.raises(InputError, match=r"^the data set gone.csv of scikit-learn \d.*cannot be"):
        columns("gone.csv")


def test_the_split_and_its_scale() -> None:
    raw = read_data("breast_cancer", {}, None)
    assert (raw.train.inputs[0].shape, raw.test.inputs[0].shape) == ((456, 30), (113, 30))
    assert np.allclose(raw.train.inputs[0].mean(0), 0) and np.allclose(
        raw.train.inputs[0].std(0), 1
    )
    assert np.bincount(raw.test.y).tolist() == [42, 71]


def test_a_spec_trains_on_it() -> None:
    spec = compile_spec(SourceFile("m.ffe", SPEC.lstrip())).spec
    assert spec.train is not None
    data = load(spec.train.data, spec.model, None, torch.device("cpu"), torch.float32)
    (x,), y = data.train.batch(np.arange(8))
    assert x.shape == (8, 30) and y.dtype == torch.int64
