"""Training of circuits: projected conductances, exact resumption, quantities in the record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ffebm_dsl.running.training import Options, resume, train
from ffebm_dsl.tools.report import load
from ffebm_dsl.tools.report.quantities import quantities

from .runs import controls, new_session, parameters, read, rows

TEXT = """ffe 1.1
model circuit {
  input  x: image(1, 4, 4)
  target y: label(6)
  relax free   { sweeps = 40  tolerance = 1e-7 }
  relax nudged { sweeps = 20 }
  gradient ep(beta=0.05, nudge=loss)
  block b {
    feedforward u = x |> double() |> gain(4) |> flatten()
    energy resistive {
      layer s1: [40] diode
      layer s2: [6]  identity
      u  ->  s1 : linear()
      s1 <-> s2 : linear()
    }
    out = s2
  }
  loss = mse(b, y)
}
train {
  data      = npz("data.npz", batch=8)
  optimizer = sgd(lr=0.02, momentum=0.5)
  epochs = 3  seed = 5
}
"""


def conductances(state: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([w.flatten() for name, w in state.items() if name.endswith("weight")])


@pytest.mark.parametrize("stop", [1, 6])
def test_a_stopped_run_goes_on_bit_by_bit(tmp_path: Path, stop: int) -> None:
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole = new_session(tmp_path / "whole", text=TEXT)
    train(whole, controls())
    cut = new_session(tmp_path / "cut", text=TEXT)
    train(cut, controls(max_steps=stop))
    kept = conductances(cut.job.network.state_dict())
    assert (kept >= 0).all() and (kept == 0).any()
    session = resume(tmp_path / "cut" / "run", Options(), pytest.fail)
    assert torch.equal(conductances(session.job.network.state_dict()), kept)
    train(session, controls())
    assert parameters(session) == parameters(whole)
    mine, others = rows(tmp_path / "cut" / "run"), rows(tmp_path / "whole" / "run")
    assert mine["quantities/mean"] == others["quantities/mean"]


def test_the_record_has_power_and_currents_of_every_evaluation(tmp_path: Path) -> None:
    session = new_session(tmp_path, text=TEXT)
    train(session, controls())
    table = read(tmp_path / "run" / "run.h5")["quantities"]
    assert table["quantity"].tolist() == ["b.dissipated_power", "b.kirchhoff_residual"]
    assert table["step"].tolist() == [4, 8, 12]
    power, residual = np.asarray(table["mean"]).T
    assert (power > 1).all() and (residual < 1e-3).all()
    # The same numbers from the energy itself.
    (block,) = session.job.network.blocks
    (x,), _ = session.job.data.named("test").batch(np.arange(10))
    with torch.no_grad():
        drives = block.drives({"x": x})
        solution, _ = block.core.solve(*drives)
        bound = block.core.energy.bind(drives, block.core.energy.weights())
        expected = bound.quantities(solution.state)["dissipated_power"].double().mean()
    assert power[-1] == pytest.approx(float(expected), rel=1e-5)
    (section,) = quantities([load(tmp_path / "run")])
    (row, _) = section.groups[0].tables[0].rows
    assert row[0] == "b.dissipated_power"


def test_a_record_without_circuits_has_no_such_section(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    train(session, controls(max_steps=4))
    assert "quantities" not in read(tmp_path / "run" / "run.h5").tables
    assert quantities([load(tmp_path / "run")]) == []
