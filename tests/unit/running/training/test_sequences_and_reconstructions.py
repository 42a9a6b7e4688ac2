"""Networks on sequences, of 1-d convolutions, and networks that reconstruct their input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.running.training import train
from tests.unit.running.training.runs import controls, new_session, rows

SIGNAL = """ffe 1.1
model m {
  input  x: sequence(1, 16)
  target y: label(2)
  relax free   { sweeps = 200  tolerance = 1e-13 }
  relax nudged { sweeps = 200  tolerance = 1e-13 }
  gradient ep(beta=1e-4, estimator=centered)
  block b {
    feedforward u = x |> conv1d(4, kernel=3, padding=1)
    energy hopfield {
      layer s1: [4, 16] shifted_sigmoid
      layer s2: [6, 8]  tanh
      layer s3: [5]     identity
      u -> s1
      s1 <-> s2 : conv1d(kernel=5, padding=2) |> POOL(2)
      s2 <-> s3 : flatten() |> linear()
    }
    out = s3
  }
  readout logits = b |> linear(2)
  loss = cross_entropy(logits, y)
}
train {
  data      = npz("data.npz", batch=20)
  optimizer = adam(lr=1e-2)
  epochs    = 8
}
"""

AUTOENCODER = """ffe 1.1
model m {
  input  x: image(1, 8, 8)
  target y: reconstruction(64)
  block b {
    feedforward u = x |> conv2d(4, kernel=3, padding=1) |> avg_pool2d(2)
    energy hopfield {
      layer s1: [4, 4, 4] hard_sigmoid
      layer s2: [3, 8, 8] tanh
      u -> s1
      s1 <-> s2 : upsample2d() |> conv2d(kernel=3, padding=1)
    }
    out = s2
  }
  readout image = b |> conv2d(1, kernel=3, padding=1)
  loss = mse(image, y)
}
train {
  data      = digits(batch=64, augment=[hflip()])
  optimizer = adam(lr=1e-2)
  epochs    = 2
}
"""


@pytest.mark.parametrize("pool", ["avg_pool1d", "max_pool1d"])
def test_the_gradient_of_1d_convolutions_is_the_implicit_one(pool: str) -> None:
    text = SIGNAL.replace("POOL", pool)
    if pool == "max_pool1d":
        # With live choices, states need not come to rest.
        text = text.replace("tolerance = 1e-13 }", "tolerance = 1e-13  routing = frozen }", 1)
    x = torch.randn(3, 1, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = []
    for estimator in ("ep(beta=1e-4, estimator=centered)", "implicit(tolerance=1e-13)"):
        source = SourceFile("s.ffe", text.replace("ep(beta=1e-4, estimator=centered)", estimator))
        network = build(compile_spec(source).spec, seed=1, dtype=torch.float64)
        network(x, torch.tensor([0, 1, 1])).loss.backward()
        found.append({name: p.grad for name, p in network.named_parameters()})
    for name, gradient in found[1].items():
        torch.testing.assert_close(found[0][name], gradient, rtol=1e-5, atol=1e-9)


@pytest.mark.slow
def test_a_network_learns_which_way_a_signal_goes(tmp_path: Path) -> None:
    """Up or down, wherever the step is: arrays (n, length) serve one channel."""
    generator = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 200), ("test", 100)):
        labels = generator.integers(0, 2, count)
        at = generator.integers(4, 12, count)
        step = (np.arange(16) >= at[:, None]) == labels[:, None]
        noise = generator.normal(0, 0.2, (count, 16))
        arrays |= {f"x_{part}": (step + noise).astype(np.float32), f"y_{part}": labels}
    np.savez(tmp_path / "data.npz", **arrays)
    text = SIGNAL.replace("POOL", "avg_pool1d").replace(
        "sweeps = 200  tolerance = 1e-13", "sweeps = 20"
    )
    result = train(new_session(tmp_path, text=text.replace("beta=1e-4", "beta=0.1")), controls())
    assert result.top1 > 0.95


def test_an_autoencoder_reconstructs_what_the_network_gets(tmp_path: Path) -> None:
    session = new_session(tmp_path, text=AUTOENCODER)
    data = session.job.data.train
    for (x,), y in (data.batch(np.arange(5)), data.augmented(np.arange(5), seed=0, epoch=1)):
        assert torch.equal(y, x.flatten(1))
    result = train(session, controls())
    losses = rows(tmp_path / "run")["train/loss"]
    assert result.loss < 0.75 * losses[0] and np.isnan(result.top1)


def test_mixed_samples_have_no_reconstruction() -> None:
    text = AUTOENCODER.replace("hflip()", "mixup()")
    with pytest.raises(SpecError) as caught:
        compile_spec(SourceFile("a.ffe", text))
    assert [fault.code for fault in caught.value.diagnostics] == ["FFE5009"]
