"""An exported graph computes the outputs of the network, for batches of any size."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import InputError, SourceFile, StorageError
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.tools.exporting.onnx_file import save, with_fixed_sweeps, write_onnx

SPEC = """ffe 1.0
model m {
  input  x: image(2, 8, 8)
  target y: label(3)
  relax free { sweeps = 60  tolerance = 1e-7  ROUTING }
  block b1 {
    feedforward u = x |> conv2d(4, kernel=[3, 5], padding=[1, 2]) |> batch_norm2d()
    energy hopfield {
      layer s1: [4, 8, 8] hard_sigmoid
      layer s2: [6, 4, 4] tanh
      u  ->  s1
      s1 <-> s2 : conv2d(kernel=[3, 5], padding=[1, 2]) |> POOL(2)
    }
    out = s2
  }
  block b2 {
    feedforward u = b1 |> flatten() |> linear(8)
    energy hopfield {
      layer s1: [8] hard_sigmoid
      u  ->  s1
      s1 <-> s1 : linear()
    }
    out = s1
  }
  readout logits = b2 |> linear(3)
  loss = cross_entropy(logits, y)
}
"""


TIED = """ffe 1.1
model m {
  input  x: image(2, 8, 8)
  target y: label(3)
  relax free { sweeps = 200  tolerance = 1e-7 }
  block b1 {
    feedforward u = x |> flatten() |> linear(6)
    energy hopfield {
      layer s1: [6] tanh
      layer s2: [4] tanh
      layer s3: [6] tanh
      u  ->  s1
      s1 <-> s2 : linear()
      s3 <-> s2 : linear() { tied_to = "s1_s2" }
    }
    out = s3
  }
  readout logits = b1 |> linear(3)
  loss = cross_entropy(logits, y)
}
"""


TERMS = """ffe 1.1
model m {
  input  x: image(2, 8, 8)
  target y: label(3)
  relax free { sweeps = 200  tolerance = 1e-7 }
  block b1 {
    feedforward u = x |> patches(4) |> linear(3)
    energy hopfield {
      layer s1: [4, 3] tanh
      layer s2: [6] tanh
      u  ->  s1
      s1 <-> s2 : flatten() |> linear()
      s1 : attention(2, 2)
      s1 : memory(4)
      s2 : unit_bias()
    }
    out = s2
  }
  readout logits = b1 |> linear(3)
  loss = cross_entropy(logits, y)
}
"""


INPUTS = (
    TIED.replace("input  x: image(2, 8, 8)", "input a: image(2, 8, 8)\n  input b: vector(5)")
    .replace("x |> flatten()", "a |> flatten() |> concat(b)")
    .replace(' { tied_to = "s1_s2" }', "")
)


def network_of_inputs() -> HybridNetwork:
    return build(compile_spec(SourceFile("m.ffe", INPUTS)).spec, seed=1).eval()


def network_of_terms() -> HybridNetwork:
    return build(compile_spec(SourceFile("m.ffe", TERMS)).spec, seed=1).eval()


def tied_network() -> HybridNetwork:
    return build(compile_spec(SourceFile("m.ffe", TIED)).spec, seed=1).eval()


def network_of(pool: str = "avg_pool2d", routing: str = "") -> HybridNetwork:
    text = SPEC.replace("POOL", pool).replace("ROUTING", routing)
    return build(compile_spec(SourceFile("m.ffe", text)).spec, seed=1).eval()


@pytest.mark.parametrize(
    ("pool", "routing"),
    [
        ("avg_pool2d", ""),
        ("max_pool2d", "routing = frozen(after=3)"),
        ("avg_pool2d", "noise = [read(0)]"),
    ],
)
def test_fixed_sweeps_reach_the_fixed_point_of_the_network(pool: str, routing: str) -> None:
    network = network_of(pool, routing)
    x = torch.rand(4, 2, 8, 8)
    with torch.no_grad():
        difference = (with_fixed_sweeps(network)(x) - network(x)).abs().max()
        few = (with_fixed_sweeps(network, 1)(x) - network(x)).abs().max()
    assert difference < 1e-5 < few


def test_fixed_sweeps_of_tied_couplings_use_one_weight() -> None:
    network, x = tied_network(), torch.rand(4, 2, 8, 8)
    fixed = with_fixed_sweeps(network)
    with torch.no_grad():
        assert (fixed(x) - network(x)).abs().max() < 1e-5
        shared = [p for name, p in network.named_parameters() if "s1_s2.ops.linear" in name]
        assert len(shared) == 2
        shared[0].mul_(0.5)
        changed = with_fixed_sweeps(network)
        assert (changed(x) - network(x)).abs().max() < 1e-5 < (changed(x) - fixed(x)).abs().max()


def test_the_network_itself_is_not_changed() -> None:
    network = network_of()
    network.train()
    core = network.blocks[0].core
    assert with_fixed_sweeps(network).blocks[0].core is not core
    assert network.blocks[0].core is core and network.training


def test_noise_is_refused() -> None:
    with pytest.raises(InputError, match="block b1 has noise in its free phase"):
        with_fixed_sweeps(network_of(routing="noise = [read(0.1)]"))


@pytest.mark.parametrize("key", ["weights = pcm()", "drives = dac(4)", "outputs = adc(4)"])
def test_devices_are_refused(key: str) -> None:
    device = f"hardware h {{ {key} }}\nmodel m {{"
    text = TIED.replace("model m {", device).replace("energy hopfield", "energy hopfield on h")
    network = build(compile_spec(SourceFile("m.ffe", text)).spec).eval()
    with pytest.raises(InputError, match="block b1 has a device, which a graph cannot have"):
        with_fixed_sweeps(network)


def test_a_device_without_effect_on_inference_is_not() -> None:
    device = "hardware h { cotangents = dac(4)  updates = adc(4) }\nmodel m {"
    text = TIED.replace("model m {", device).replace("energy hopfield", "energy hopfield on h")
    network = build(compile_spec(SourceFile("m.ffe", text)).spec).eval()
    x = torch.rand(4, 2, 8, 8)
    with torch.no_grad():
        assert (with_fixed_sweeps(network)(x) - network(x)).abs().max() < 1e-5


def test_updates_with_terms_make_steps_that_are_constants_of_the_graph() -> None:
    network, x = network_of_terms(), torch.rand(4, 2, 8, 8)
    fixed = with_fixed_sweeps(network, 500)  # plain ones, of which more are needed
    with torch.no_grad():
        assert (fixed(x) - network(x)).abs().max() < 1e-5
    # Raises where the value of a tensor decides.
    torch.export.export(with_fixed_sweeps(network, 2), (x,), strict=False)


class Program:
    """A converted graph whose weights are in a file of their own, as those of a large one."""

    def __init__(self, room: bool) -> None:
        self.room = room

    def save(self, path: str) -> None:
        Path(path).write_text("graph")
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        Path(f"{path}.data").write_text("weights")


def test_a_full_disk_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(StorageError, match=r"cannot write .*net\.onnx: No space"):
        save(Program(room=False), path)
    assert not list(tmp_path.iterdir())
    save(Program(room=True), path)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
        "net.onnx": "graph",
        "net.onnx.data": "weights",
    }
    path.write_text("earlier")
    with pytest.raises(StorageError):
        save(Program(room=False), path)
    assert path.read_text() == "earlier"


def test_what_a_killed_export_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    script = f"""
import os
from pathlib import Path
from ffebm_dsl.tools.exporting.onnx_file import save

class Killed:
    def save(self, path):
        Path(path).write_text("half")
        os._exit(9)

save(Killed(), Path({str(path)!r}))
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    assert list(tmp_path.iterdir())
    save(Program(room=True), path)
    assert {p.name for p in tmp_path.iterdir()} == {"net.onnx", "net.onnx.data"}


def network_without_a_diagonal() -> HybridNetwork:
    text = SPEC.replace("s1 <-> s1 : linear()", "s1 <-> s1 : linear() { zero_diagonal = true }")
    text = text.replace("ffe 1.0", "ffe 1.1").replace("POOL", "avg_pool2d").replace("ROUTING", "")
    return build(compile_spec(SourceFile("m.ffe", text)).spec).eval()


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["avg_pool2d", "max_pool2d", "softmax_pool2d", "tied", "inputs", "terms", "diagonal"]
)
def test_onnxruntime_computes_the_same(kind: str, tmp_path: Path) -> None:
    import onnxruntime

    made = {"tied": tied_network, "inputs": network_of_inputs, "terms": network_of_terms}
    made["diagonal"] = network_without_a_diagonal
    network = made[kind]() if kind in made else network_of(kind)
    found = write_onnx(tmp_path / "net.onnx", network, sweeps=7, metadata={"spec": "text"})
    assert set(found.sweeps.values()) == {7} and found.difference > 0
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    assert session.get_modelmeta().custom_metadata_map["spec"] == "text"
    for batch in (1, 5):
        given = {name: torch.rand(batch, *shape) for name, shape in network.inputs.items()}
        with torch.no_grad():
            expected = with_fixed_sweeps(network, 7)(*given.values()).numpy()
        (logits,) = session.run(None, {name: x.numpy() for name, x in given.items()})
        np.testing.assert_allclose(logits, expected, atol=1e-5)
