"""The floor counts each convolution once, memory is counted exactly, EP's does not grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import ffebm_dsl
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.physics.energy import Energy
from ffebm_dsl.physics.interfaces import Layer, State, inner
from ffebm_dsl.physics.network import HybridNetwork, Outcome
from ffebm_dsl.tools.benchmarking.backprop import feedforward
from ffebm_dsl.tools.benchmarking.floor import Floor, floor
from ffebm_dsl.tools.benchmarking.step_costs import BenchSettings, bench, peak_bytes

SPEC = """
ffe 1.0
param sweeps: int = 6
param tolerance: real = 0.0
model two_blocks {
  input x: image(1, 8, 8)
  target y: label(3)
  relax free { sweeps = sweeps tolerance = tolerance }
  relax nudged { sweeps = sweeps }
  feedforward v = x |> avg_pool2d(2)
  block b1 {
    feedforward u = v |> conv2d(4, kernel=3, padding=1)
    energy hopfield {
      layer s1: [4, 4, 4] hard_sigmoid(0.5)
      layer s2: [4, 2, 2] hard_sigmoid(0.5)
      u -> s1
      s1 <-> s2 : conv2d(kernel=3, padding=1) |> max_pool2d(2)
      s2 <-> s2 : conv2d(kernel=1)
    }
    out = s2
  }
  readout logits = b1 |> flatten() |> linear(3)
  loss = cross_entropy(logits, y)
}
"""
CPU = torch.device("cpu")


def after_a_step(**params: float) -> tuple[HybridNetwork, torch.Tensor]:
    network = ffebm_dsl.load(SPEC, **params)
    x, y = torch.rand(5, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1])
    outcome = network(x, y)
    assert isinstance(outcome, Outcome)
    outcome.loss.backward()
    return network, x


@pytest.mark.parametrize("sweeps", [3, 6])
def test_the_floor_has_two_convolutions_per_coupling_and_sweep(sweeps: int) -> None:
    network, x = after_a_step(sweeps=sweeps)
    lowest = floor(network, (x,))
    couplings = 2
    made = [(count, len(calls)) for count, calls in lowest.phases]
    assert made == [(sweeps, 2 * couplings), (sweeps, 2 * couplings), (1, couplings)]
    lowest()


def test_the_floor_makes_all_calls_of_a_sweep_before_those_of_the_next() -> None:
    made: list[str] = []
    sweep = (lambda: made.append("forward"), lambda: made.append("adjoint"))
    Floor(((2, sweep), (1, (lambda: made.append("gradient"),))), lambda: made.append("maps"))()
    assert made == ["maps", *["forward", "adjoint"] * 2, "gradient"]


def test_the_floor_counts_the_sweeps_that_were_used() -> None:
    network, x = after_a_step(sweeps=200, tolerance=1e-3)
    free, nudged, _ = [count for count, _ in floor(network, (x,)).phases]
    assert 1 < free < 100, "free phases stop early"
    assert nudged == 200, "nudged ones do not"


def test_no_floor_of_another_estimator_or_of_a_network_at_rest() -> None:
    network, x = after_a_step()
    with pytest.raises(ValueError, match="not of Implicit"):
        floor(network, (x,), network.settings(estimator=Implicit()))
    with pytest.raises(ValueError, match="no free phase"):
        floor(ffebm_dsl.load(SPEC), (x,))


class PhiAlone(Energy):
    """An energy whose weights are in no coupling."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__(layers)
        self.gain = nn.Parameter(torch.ones(()))

    def phi(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        return self.gain * inner(state[0], drives[0])


def test_no_floor_of_an_energy_without_couplings() -> None:
    network, x = after_a_step()
    (block,) = network.blocks
    block.core.energy = PhiAlone(block.core.energy.layers)
    with pytest.raises(InputError, match="`b1` has no floor: its energy has no couplings"):
        floor(network, (x,))


LATERAL = "      s2 <-> s2 : conv2d(kernel=1)\n"
FORTH = "s1 <-> s2 : conv2d(kernel=3, padding=1) |> max_pool2d(2)"
BACK = (
    SPEC.replace(LATERAL, "")
    .replace(FORTH, "s2 <-> s1 : conv2d(kernel=3, padding=1, bias=false)")
    .replace("s2: [4, 2, 2]", "s2: [4, 4, 4]")
)


@pytest.mark.parametrize("text", [SPEC.replace(LATERAL, ""), BACK])
@pytest.mark.parametrize("nudge", ["cotangent", "loss"])
def test_without_feedback_it_is_one_sweep_from_zero(text: str, nudge: str) -> None:
    """Layers that are updated in order see those before them, and of the others zeros."""
    network = ffebm_dsl.load(
        text.replace("relax nudged", f"gradient ep(nudge={nudge})\n  relax nudged")
    )
    (block,) = network.blocks
    once = replace(block.core.settings.free, sweeps=1, tolerance=0.0)
    x, y = torch.rand(5, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1])
    plain = feedforward(network)
    assert plain is not None
    expected = network(x, y, settings=network.settings(free=once))
    found = plain(x, y)
    assert isinstance(found, Outcome) and isinstance(expected, Outcome)
    torch.testing.assert_close(found.logits, expected.logits)
    torch.testing.assert_close(found.per_sample, expected.per_sample)
    found.loss.backward()
    gradients = {name: p.grad for name, p in plain.named_parameters()}
    assert all(g is not None and bool(g.any()) for g in gradients.values())
    assert all(p.grad is None for p in network.parameters())


def test_a_block_of_another_energy_has_no_feedforward_counterpart() -> None:
    text = SPEC.replace(LATERAL, "      s1 : unit_bias()\n").replace("ffe 1.0", "ffe 1.1")
    assert feedforward(ffebm_dsl.load(text)) is None


def test_the_peak_is_what_is_held_at_one_time() -> None:
    def two_at_a_time() -> None:
        for _ in range(3):
            a = torch.zeros(1000, dtype=torch.float64)
            b = a + 1
            del a, b

    assert 16_000 <= peak_bytes(two_at_a_time, CPU) < 17_000


def test_memory_of_ep_does_not_grow_with_the_sweeps() -> None:
    def peaks(sweeps: int) -> dict[str, int]:
        compiled = ffebm_dsl.compile_spec(SourceFile("t", SPEC), {"sweeps": str(sweeps)})
        result = bench(compiled.spec, BenchSettings(batch=8, repeats=1, warm_up=0))
        known = {"aep", "bptt", "coupled_learning", "ep", "implicit", "unrolled"}
        assert set(result.estimators) == known
        assert all(cost.seconds.least > 0 for cost in result.estimators.values())
        assert all(cost.over_backprop is not None for cost in result.estimators.values())
        assert result.estimators["ep"].sweeps == {"free": sweeps, "nudged": sweeps}
        return {kind: cost.peak_bytes for kind, cost in result.estimators.items()}

    # A few of the last states are kept, which four sweeps do not have.
    few, many = peaks(8), peaks(48)
    assert many["ep"] < 1.05 * few["ep"]
    assert many["implicit"] < 1.05 * few["implicit"]
    assert many["unrolled"] > 3 * few["unrolled"]
