"""The static gradient analysis: its results, limits and record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from ffebm_dsl.build import build
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.ops.conv2d import Conv2d
from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.ir import Compiled, compile_spec
from ffebm_dsl.language.ir.model import PackageIR
from ffebm_dsl.physics.interfaces import Phase, Weights
from ffebm_dsl.running.records import read, write
from ffebm_dsl.running.training import Controls, Options, Progress, start, stop_on_signals, train
from ffebm_dsl.tools.checking.problem import random_batch, train_without_dropout
from ffebm_dsl.tools.checking.transient_check import TransientSettings, transients
from ffebm_dsl.tools.checking.transient_record import (
    DrawnBatch,
    TransientAnalysis,
    analyse,
    draw_batch,
    record_of,
)
from ffebm_dsl.tools.checking.transient_table import Transients

SPEC = """ffe 1.0
model two {
  input  x: image(1, 6, 6)
  target y: label(3)
  relax free   { sweeps = 2000 tolerance = 1e-14 }
  relax nudged { sweeps = 5 }
  gradient ep(beta=0.001)
  init normal(std=0.3)
  block b1 {
    feedforward u = x |> conv2d(2, kernel=3, padding=1) |> dropout(0.5)
    feedforward v = x |> conv2d(3, kernel=1, stride=2)
    energy hopfield {
      layer s1: [2, 6, 6] tanh(0.5)
      layer s2: [3, 3, 3] tanh(0.5)
      u -> s1
      v -> s2
      s1 <-> s2 : conv2d(kernel=3, padding=1) |> avg_pool2d(2)
    }
    out = s2
    out skip = s1
  }
  block b2 {
    feedforward u = b1 |> conv2d(3, kernel=3, padding=1) |> batch_norm2d()
    energy hopfield {
      layer s1: [3, 3, 3] tanh(0.5)
      layer s2: [3, 3, 3] tanh(0.5)
      u -> s1
      s1 <-> s2 : conv2d(kernel=3, padding=1)
    }
    relax nudged { sweeps = 3 }
    out = s2
  }
  feedforward w = b1.skip |> avg_pool2d(2) |> conv2d(3, kernel=1)
  block b3 {
    feedforward u = w |> conv2d(3, kernel=1)
    energy hopfield {
      layer s1: [3, 3, 3] tanh(0.5)
      layer s2: [3, 3, 3] identity
      u -> s1
      b2 -> s2
      s1 <-> s2 : conv2d(kernel=3, padding=1)
    }
    out = s2
  }
  readout logits = b3 |> flatten() |> linear(3)
  loss = cross_entropy(logits, y)
}
"""
BATCH = 3


def compiled(text: str = SPEC) -> Compiled:
    return compile_spec(SourceFile("two.ffe", text))


def analysed(text: str = SPEC, settings: TransientSettings | None = None) -> Transients:
    spec = compiled(text).spec
    network = build(spec, dtype=torch.float64)
    train_without_dropout(network)
    inputs, target = random_batch(spec, BATCH, 0)
    return transients(network, inputs, target, settings or TransientSettings())


@pytest.fixture(scope="module")
def right() -> Transients:
    return analysed()


def worst(found: Transients) -> float:
    return float(np.nanmax(found.measures["relative_error"]))


def test_a_right_network_agrees_after_every_sweep(right: Transients) -> None:
    """Skips, several drives, a map between blocks, a port that two blocks' gradients share."""
    assert right.sound
    assert worst(right) < 1e-4
    assert float(np.nanmin(right.measures["cosine"])) > 0.999999
    np.testing.assert_allclose(right.values, right.values_unrolled, rtol=1e-2, atol=1e-7)


def test_it_follows_every_parameter_of_every_block(right: Transients) -> None:
    labels = build(compiled().spec).labels().values()
    inside = [label for label in labels if label.startswith(("b1", "b2", "b3"))]
    assert sorted(right.parameters) == sorted(inside)
    assert all(p.startswith(o) for p, o in zip(right.parameters, right.owners, strict=True))


def test_a_block_with_fewer_sweeps_ends_in_nan(right: Transients) -> None:
    assert [block.sweeps for block in right.blocks] == [5, 3, 5]
    short = np.array([owner == "b2" for owner in right.owners])
    for name in ("norm", "norm_unrolled"):
        assert np.isfinite(right.measures[name][:4]).all()
        assert np.isnan(right.measures[name][4:, short]).all()
        assert np.isfinite(right.measures[name][:, ~short]).all()
    np.testing.assert_array_equal(right.last("norm")[short], right.measures["norm"][3, short])
    assert np.isnan(right.values[4:, short]).all()


def test_the_last_row_is_the_gradient_that_training_takes(right: Transients) -> None:
    network = build(compiled().spec, dtype=torch.float64)
    train_without_dropout(network)
    inputs, target = random_batch(compiled().spec, BATCH, 0)
    network(*inputs, target).loss.backward()
    labels = network.labels()
    norms = {labels[n]: float(p.grad.norm()) for n, p in network.named_parameters()}
    found = dict(zip(right.parameters, right.last("norm"), strict=True))
    for label, norm in found.items():
        assert norm == pytest.approx(norms[label], rel=1e-9, abs=1e-12), label


def test_a_bias_in_front_of_batch_norm_has_no_direction(right: Transients) -> None:
    p = right.parameters.index("b2.u.conv2d.bias")
    assert np.isnan(right.measures["cosine"][:, p]).all()
    assert (right.measures["relative_error"][1:4, p] == 0).all()


def test_before_the_first_sweep_there_is_nothing_to_compare(right: Transients) -> None:
    """What EP gives there is its rounding, and a gradient as small as that has no direction."""
    assert (right.measures["norm_unrolled"][0] == 0).all()
    assert (right.measures["norm"][0] < 1e-9).all()
    assert np.isnan(right.measures["cosine"][0]).all()
    assert np.isnan(right.measures["relative_error"][0]).all()
    rough = analysed(settings=TransientSettings(beta=1e-18))
    rounded = rough.measures["norm"][0] > 0
    assert rounded.any()
    # Which entries round to zero differs between machines: 8 in 9 were measured on one of them.
    assert np.isnan(rough.measures["cosine"][:, rounded]).mean() > 0.8


def test_entries_are_drawn_by_size_and_by_seed(right: Transients) -> None:
    assert right.entries.shape == (len(right.parameters), 5)
    bias = right.entries[right.parameters.index("b1.s1_s2.conv2d.bias")]
    assert sorted(bias) == [-1, -1, 0, 1, 2]
    for p, row in enumerate(right.entries):
        chosen = row[row >= 0]
        assert len(set(chosen)) == len(chosen)
        rows = right.values[-1 if right.owners[p] != "b2" else 3, p]
        assert np.isfinite(rows[: len(chosen)]).all() and np.isnan(rows[len(chosen) :]).all()
    again, other = analysed(), analysed(settings=TransientSettings(seed=1))
    np.testing.assert_array_equal(again.entries, right.entries)
    assert (other.entries != right.entries).any()


def one_block(energy: str, readout: str) -> str:
    """A spec with one block that reads the input of five numbers, and classifies into three."""
    return f"""ffe 1.1
    model m {{
      input x: vector(5)  target y: label(3)
      relax free {{ sweeps = 500  tolerance = 1e-10 }}
      relax nudged {{ sweeps = 4 }}
      gradient ep(beta=0.001)
      block b {{
        energy {energy}
        out = s2
      }}
      readout logits = b |> {readout}
      loss = cross_entropy(logits, y)
    }}"""


def test_energies_whose_weights_have_names_of_their_own_are_followed() -> None:
    energy = """oscillator {
      layer s1: [4] angle  layer s2: [3] angle
      x -> s1 : linear()
      s1 <-> s2 : linear()
    }"""
    found = analysed(one_block(energy, "cos() |> linear(3)"))
    parts = ("b.s1_s2.linear", "b.x_s1.linear")
    assert found.parameters == tuple(f"{p}.{key}" for p in parts for key in ("weight", "bias"))
    assert worst(found) < 1e-4


def test_gradients_are_those_of_their_labels_whatever_the_order_of_parts() -> None:
    """Here the weights of a drive and of a term have equal shapes."""
    energy = """hopfield {
      layer s1: [5] tanh  layer s2: [3] tanh
      x -> s1 : linear(bias=false)
      s1 <-> s2 : linear()
      s1 : memory(5)
    }"""
    text = one_block(energy, "linear(3)")
    found = analysed(text)
    spec = compiled(text).spec
    network = build(spec, dtype=torch.float64)
    inputs, target = random_batch(spec, BATCH, 0)
    network(*inputs, target).loss.backward()
    labels = network.labels()
    norms = {
        labels[n]: float(p.grad.norm()) for n, p in network.named_parameters() if p.grad is not None
    }
    for row, label in enumerate(found.parameters):
        assert found.measures["norm"][-1, row] == pytest.approx(norms[label], rel=1e-6), label
    assert worst(found) < 1e-4


def test_settings_replace_beta_and_sweeps() -> None:
    found = analysed(settings=TransientSettings(sweeps=2, beta=0.3, entries=1))
    assert {(block.beta, block.sweeps) for block in found.blocks} == {(0.3, 2)}
    assert len(found.values) == 3
    assert worst(found) > 1e-4


def test_other_estimators_are_analysed_with_a_beta_of_their_own() -> None:
    found = analysed(SPEC.replace("gradient ep(beta=0.001)", "gradient implicit()"))
    assert {block.beta for block in found.blocks} == {0.02}


def test_a_detached_adjoint_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Conv2d.adjoint

    def adjoint(self: Conv2d, y: torch.Tensor, weights: Weights) -> torch.Tensor:
        return right(self, y, {name: weight.detach() for name, weight in weights.items()})

    monkeypatch.setattr(Conv2d, "adjoint", adjoint)
    found = analysed()
    p = found.parameters.index("b3.s1_s2.conv2d.weight")
    assert found.measures["cosine"][-1, p] < 0.999 and worst(found) > 1e-2


def test_a_flipped_contrast_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = EquilibriumPropagation.phases

    def phases(self: EquilibriumPropagation) -> tuple[Phase, ...]:
        return tuple(phase._replace(weight=-phase.weight) for phase in right.fget(self))

    monkeypatch.setattr(EquilibriumPropagation, "phases", property(phases))
    found = analysed()
    assert found.measures["cosine"][-1, found.parameters.index("b3.u.conv2d.weight")] < -0.999


def test_an_order_that_is_not_reversed_is_told() -> None:
    text = SPEC.replace("nudged { sweeps = 5 }", "nudged { sweeps = 5 order = asynchronous }")
    found = analysed(text)
    assert [block.mirrored for block in found.blocks] == [False] * 3
    assert worst(found) > 1e-2


def test_kinks_between_the_phases_are_counted() -> None:
    text = SPEC.replace("tanh(0.5)", "hard_sigmoid(0.5)").replace("beta=0.001", "beta=20")
    assert max(block.crossings for block in analysed(text).blocks) > 0
    assert all(block.crossings == 0 for block in analysed().blocks)


def test_a_diverging_block_is_told() -> None:
    text = SPEC.replace("tanh(0.5)", "identity").replace("std=0.3", "std=9.0")
    found = analysed(text)
    assert not found.sound and found.blocks[0].diverged == BATCH


def analysis_of(found_on: Compiled) -> TransientAnalysis:
    batch = draw_batch(found_on, None, samples=BATCH, seed=0, dtype="float64")
    return analyse(found_on, ("a=1",), batch, "float64", TransientSettings(), lambda *_: None)


def record_from(found_on: Compiled, tmp_path: Path) -> Path:
    record = record_of(analysis_of(found_on), "r", "2026-01-01T00:00:00Z")
    write(record, tmp_path / "t.h5")
    return tmp_path / "t.h5"


def test_the_record_holds_it_all(right: Transients, tmp_path: Path) -> None:
    record = read(record_from(compiled(), tmp_path))
    table = record["transients"]
    assert list(table["parameter"]) == list(right.parameters)
    np.testing.assert_array_equal(table["cosine"], right.measures["cosine"])
    np.testing.assert_array_equal(table["value_unrolled"], right.values_unrolled)
    shapes = dict(zip(table["parameter"], table["parameter_shape"], strict=True))
    assert shapes["b1.s1_s2.conv2d.weight"] == "3 x 2 x 3 x 3"
    assert list(table["beta"]) == [0.001] * 3 and list(table["mirrored"]) == [1, 1, 1]
    assert record["provenance"]["dataset_name"] == "random" and len(record["train"]) == 0
    assert record.attributes["status"] == "finished"


def test_the_record_names_the_packages_that_the_spec_uses() -> None:
    analysis = analysis_of(plain := compiled())
    used = replace(plain.spec, packages=(PackageIR("ops", least="1", version="1.2"),))
    analysis = replace(analysis, compiled=replace(plain, spec=used))
    record = record_of(analysis, "r", "2026-01-01T00:00:00Z")
    assert "ops==1.2" in record["provenance"]["package"].tolist()


def test_the_record_opens_with_plain_readers(tmp_path: Path) -> None:
    path = record_from(compiled(), tmp_path)
    with h5py.File(path) as file:
        assert file["run"].attrs["default"] == "transients"
        assert list(file["run/transients"].attrs["axes"]) == ["sweep", "parameter"]
    import xarray  # takes a second

    with xarray.open_dataset(path, group="run/transients", engine="h5netcdf") as data:
        assert data["value"].dims == ("sweep", "parameter", "entry")
        assert float(data["cosine"].sel(parameter="b3.u.conv2d.weight").min()) > 0.999


DATA = """train {
  data = npz("d.npz", batch=2)
  optimizer = sgd(lr=0.1)
  epochs = 1
}
"""


def trained_on(text: str, seed: int, folder: Path) -> list[torch.Tensor]:
    """The inputs of every batch of a run of one epoch, as the network is given them."""
    spec = compile_spec(SourceFile("t.ffe", text), {"seed": str(seed)})
    session = start(spec, Options(data_dir=folder, threads=1), folder / "run")
    batches: list[torch.Tensor] = []
    session.job.network.register_forward_pre_hook(
        lambda network, inputs: batches.append(inputs[0]) if network.training else None
    )
    with stop_on_signals() as stop:
        train(session, Controls(stop, Progress()))
    return batches


def test_a_batch_of_data_is_where_training_begins(tmp_path: Path) -> None:
    x = np.arange(4 * 36, dtype=np.float32).reshape(4, 1, 6, 6)
    y = np.array([0, 1, 2, 0])
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x, y_test=y)

    def drawn(samples: int, seed: int = 0) -> DrawnBatch:
        return draw_batch(
            compiled(SPEC + DATA), tmp_path, samples=samples, seed=seed, dtype="float32"
        )

    batch = drawn(4)
    assert batch.inputs[0].dtype == torch.float32 and batch.name == "npz" and batch.samples == 4
    order = batch.inputs[0][:, 0, 0, 0].int() // 36
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    assert batch.target.tolist() == [y[i] for i in order.tolist()]
    assert torch.equal(drawn(2).inputs[0], batch.inputs[0][:2])
    assert any(not torch.equal(drawn(4, seed).inputs[0], batch.inputs[0]) for seed in range(1, 5))
    assert torch.equal(drawn(4, 3).inputs[0], torch.cat(trained_on(SPEC + DATA, 3, tmp_path)))
    with pytest.raises(InputError, match="has 4 training samples"):
        drawn(5)
    with pytest.raises(InputError, match="no train section"):
        draw_batch(compiled(), tmp_path, samples=2, seed=0, dtype="float32")
