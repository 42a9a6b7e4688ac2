"""The keys `solver` and `start` of a spec, in the network that is built from it."""

from __future__ import annotations

from dataclasses import replace

import torch

from ffebm_dsl.build import build
from ffebm_dsl.constructs.solvers.anderson import Anderson
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.network import EnergyBlock, HybridNetwork

SPEC = """ffe 1.0
model m {{
  input  x: image(1, 4, 4)
  target y: label(3)
  init normal(std=0.3)
  relax free {{ sweeps = {sweeps}  tolerance = {tolerance}  {keys} }}
  block b {{
    feedforward u = x |> flatten() |> linear(8)
    energy hopfield {{
      layer s1: [8] tanh  layer s2: [7] tanh  layer s3: [6] tanh  layer s4: [5] identity
      u -> s1  s1 <-> s2 : linear()  s2 <-> s3 : linear()  s3 <-> s4 : linear()
    }}
    out = s4
  }}
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}}
"""
X = torch.randn(4, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def network(keys: str, sweeps: int = 300, tolerance: float = 1e-10) -> HybridNetwork:
    text = SPEC.format(keys=keys, sweeps=sweeps, tolerance=tolerance)
    return build(compile_spec(SourceFile("m.ffe", text)).spec, dtype=torch.float64)


def core(net: HybridNetwork) -> EnergyBlock:
    (block,) = net.blocks
    return block.core


def test_the_solver_accelerates_what_a_sweep_reads() -> None:
    plain = core(network("solver = plain")).settings.free.solver
    assert plain == plain.plain
    accelerated = core(network("solver = anderson(memory=3)")).settings.free.solver
    assert accelerated == Anderson(3, (1, 3), plain)
    # A damped layer reads its own old state.
    damped = network("solver = anderson(memory=3)  damping = 0.2")
    found = core(damped).settings.free.solver
    assert found == Anderson(3, (0, 1, 2, 3), replace(plain.plain, damping=0.2))


def test_fewer_sweeps_to_the_same_gradient() -> None:
    gradients, sweeps = [], []
    for keys in ("solver = plain", "solver = anderson"):
        net = network(keys)
        net(X, torch.tensor([0, 1, 2, 0])).loss.backward()
        found = [p.grad.flatten() for p in net.parameters() if p.grad is not None]
        gradients.append(torch.cat(found))
        sweeps.append(int(core(net).reports[0].sweeps.sum()))
    assert 2 * sweeps[1] <= sweeps[0]
    assert float((gradients[1] - gradients[0]).norm() / gradients[0].norm()) < 1e-6


def test_a_feedforward_start_is_one_pass_from_first_to_last() -> None:
    started, plain = network("start = feedforward", 1, 0), network("order = forward", 1, 0)
    (u,) = next(iter(started.blocks)).drives({"x": X})
    drives = [u.detach()]
    with torch.no_grad():
        # From rest, a sweep in forward order sees nothing but the layers before.
        expected = core(plain).solve(*drives)[0].state
        settings = replace(core(started).settings, start=tuple(expected))
        after_one_sweep = core(started).solve(*drives, settings=settings)[0].state
        found = core(started).solve(*drives)[0]
    assert found.sweeps.tolist() == [1] * 4
    for s, reference in zip(found.state, after_one_sweep, strict=True):
        assert torch.allclose(s, reference, atol=1e-14)
