"""A call of a block uses the settings, weights and drives at the time of the call."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

import ffebm_dsl
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.constructs.ops.linear import Linear
from ffebm_dsl.physics.energy import (
    Coupling,
    Drive,
    HopfieldEnergy,
    OpWeights,
    keep_nonnegative,
    keep_zero_diagonal,
    project_after,
)
from ffebm_dsl.physics.interfaces import Layer
from ffebm_dsl.physics.network import EnergyBlock
from ffebm_dsl.physics.network.whole_batch import Part, share
from tests.problems import block, chain_energy, normal

X = normal(6, 4)


def core_of(*sizes: int, seed: int = 0) -> EnergyBlock:
    return block(chain_energy(sizes, Tanh(), seed), Implicit(1e-13, 500))


def gradient(core: EnergyBlock, out: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(out.square().sum(1).mean(), list(core.parameters())))


def same(found: list[Tensor], expected: list[Tensor], tolerance: float = 0.0) -> bool:
    pairs = zip(found, expected, strict=True)
    return all(torch.allclose(a, b, rtol=tolerance, atol=tolerance) for a, b in pairs)


def test_settings_are_those_of_the_forward_pass() -> None:
    core = core_of(4, 5, 3)
    expected = gradient(core, core(X))
    out = core(X)
    core.configure(estimator=EquilibriumPropagation(2.0, "positive"))
    assert same(gradient(core, out), expected)
    assert not same(gradient(core, core(X)), expected, 1e-3)


def test_a_setting_set_as_an_attribute_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"block.configure\(estimator=...\)"):
        core_of(4, 3).estimator = Implicit()


def test_two_forward_passes_before_a_backward_pass() -> None:
    core, other = core_of(4, 5, 3), 2 * X
    expected = gradient(core, core(X)), gradient(core, core(other))
    first, second = core(X), core(other)
    assert same(gradient(core, first), expected[0]) and same(gradient(core, second), expected[1])


def test_a_block_used_twice_in_a_graph() -> None:
    core = core_of(4, 5, 4)
    found = gradient(core, core(core(X)))
    core.configure(estimator=Unrolled(200))
    assert same(found, gradient(core, core(core(X))), 1e-8)


def test_threads() -> None:
    core = core_of(4, 5, 3)
    inputs = [(k + 1) * X for k in range(4)]
    expected = [gradient(core, core(x)) for x in inputs]
    found: dict[int, list[Tensor]] = {}

    def work(k: int) -> None:
        for _ in range(3):
            found[k] = gradient(core, core(inputs[k]))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(found[k], expected[k]) for k in range(4))


def test_freezing_between_forward_and_backward() -> None:
    core = core_of(4, 5, 3)
    out = core(X)
    for parameter in core.energy.couplings["s0_s1"].parameters():
        parameter.requires_grad_(False)
    out.sum().backward()
    assert all(p.grad is not None for p in core.energy.couplings["s1_s2"].parameters())


def test_an_op_of_two_couplings() -> None:
    shared = OpWeights(Linear((3,), 3)).double()
    layers = [Layer(f"s{k}", (3,), Tanh()) for k in range(3)]
    couplings = {"a": Coupling(0, 1, {"op": shared}), "b": Coupling(1, 2, {"op": shared})}
    core = block(HopfieldEnergy(layers, couplings, {"u": Drive(0)}), Implicit(1e-13, 500))
    found = gradient(core, core(X[:, :3]))
    core.configure(estimator=Unrolled(200))
    assert len(found) == 2 and same(found, gradient(core, core(X[:, :3])), 1e-8)


@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm", "orthogonal", "pruned", "own"])
def test_parametrised_weights(kind: str) -> None:
    """EP's gradient of the weight as it acts goes on through the parametrisation."""
    torch.manual_seed(0)
    core = core_of(4, 5, 3)
    held = core.energy.couplings["s0_s1"].ops["linear"]
    if kind == "pruned":
        prune.l1_unstructured(held, "weight", amount=0.4)
    elif kind == "own":
        nn.utils.parametrize.register_parametrization(held, "weight", _Positive())
    else:
        getattr(parametrizations, kind)(held)
    core.eval()  # Spectral norm takes a step of its power iteration at each use in training.
    found = gradient(core, core(X))
    core.configure(estimator=Unrolled(200))
    assert same(found, gradient(core, core(X)), 1e-7)
    # The weight follows its parameters from step to step.
    before = core(X).detach()
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.mul_(1.1).add_(0.01)
    assert not torch.allclose(core(X), before)


class _Positive(nn.Module):
    def forward(self, raw: Tensor) -> Tensor:
        return raw.abs()


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_a_weight_is_kept_nonnegative_by_any_optimizer(
    optimizer: type[torch.optim.Optimizer],
) -> None:
    core = core_of(4, 5, 3)
    held = keep_nonnegative(core.energy.couplings["s0_s1"].ops["linear"])
    weight = held.weight
    assert (weight >= 0).all() and (weight > 0).any()
    moves = optimizer(core.parameters(), lr=0.3)
    for _ in range(5):
        moves.zero_grad()
        out = core(X)
        (out.square().sum() + held.weight.sum()).backward()
        moves.step()
    core(X)
    assert (weight >= 0).all() and (weight == 0).any()
    found = gradient(core, core(X))
    core.configure(estimator=Unrolled(200))
    assert same(found, gradient(core, core(X)), 1e-8)
    with pytest.raises(ValueError, match="no parameter called 'gain'"):
        keep_nonnegative(held, "gain")


def test_an_optimiser_that_projects_leaves_weights_within_their_range() -> None:
    core = core_of(4, 5, 3)
    held = keep_nonnegative(core.energy.couplings["s0_s1"].ops["linear"])
    moves = torch.optim.SGD(core.parameters(), lr=100.0)
    project_after(moves, core)
    held.weight.sum().backward()
    moves.step()
    assert (held.weight == 0).all()


@pytest.mark.parametrize("estimator", [Implicit(1e-13, 500), Unrolled(20)])
def test_two_calls_may_wait_for_their_backward_pass_under_two_constraints(
    estimator: Implicit | Unrolled,
) -> None:
    """Each constraint must not take what the other wrote for a change of the weight."""
    core = core_of(4, 4, 3)
    core.configure(estimator=estimator)
    held = core.energy.couplings["s0_s1"].ops["linear"]
    weight = keep_zero_diagonal(keep_nonnegative(held)).weight
    expected = gradient(core, core(X))
    assert same(gradient(core, torch.cat([core(X), core(X)])), expected, 1e-12)
    with torch.no_grad():
        weight.sub_(0.1)
    core(X)
    assert (weight >= 0).all() and (weight > 0).any() and not weight.diagonal().any()


class Noise:
    """Normal numbers on every layer, drawn anew whenever a layer is updated."""

    def __init__(self, std: float, generator: torch.Generator) -> None:
        self.std, self.generator = std, generator

    def onto(self, v: Tensor, layer: int, state: Sequence[Tensor], *, overwrite: bool) -> Tensor:
        return v + self.std * torch.randn(v.shape, generator=self.generator, dtype=v.dtype)

    def select(self, rows: Tensor) -> Noise:
        return self


def test_a_force_acts_in_free_and_nudged_phases() -> None:
    core = block(chain_energy([4, 5, 3], Tanh()), EquilibriumPropagation(0.2))
    free = replace(core.settings.free, sweeps=20, tolerance=0.0)
    nudged = replace(core.settings.nudged, sweeps=20, tolerance=0.0)
    core.configure(free=free, nudged=nudged)

    def run(std: float | None) -> tuple[Tensor, list[Tensor]]:
        noise = None if std is None else Noise(std, torch.Generator().manual_seed(1))
        out = core(X, settings=replace(core.settings, force=noise))
        return out.detach(), gradient(core, out)

    quiet, silent, noisy = run(None), run(0.0), run(0.05)
    assert torch.equal(quiet[0], silent[0]) and same(quiet[1], silent[1])
    assert 1e-3 < float((noisy[0] - quiet[0]).norm() / quiet[0].norm()) < 0.5
    assert not same(noisy[1], quiet[1], 1e-3)


def test_second_derivatives_are_refused_by_name() -> None:
    core = core_of(4, 5, 3)
    x = X.clone().requires_grad_()
    (first,) = torch.autograd.grad(core(x).square().sum(), x, create_graph=True)
    with pytest.raises(
        RuntimeError, match=r"block block\d+: its gradient cannot be differentiated a"
    ):
        torch.autograd.grad(first.sum(), x)
    with pytest.raises(RuntimeError, match="a second time"):
        torch.autograd.functional.hessian(lambda u: core(u).sum(), X)
    weights = list(core.parameters())
    inner = torch.autograd.grad(core(X).square().sum(), weights, create_graph=True)
    with pytest.raises(RuntimeError, match="a second time"):
        torch.autograd.grad(sum(g.square().sum() for g in inner), weights)


def test_a_graph_of_the_gradient_alone_does_no_harm() -> None:
    core = core_of(4, 5, 3)
    expected = gradient(core, core(X))
    loss = core(X).square().sum(1).mean()
    found = torch.autograd.grad(loss, list(core.parameters()), create_graph=True)
    assert same([g.detach() for g in found], expected)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_part_of_a_batch_is_nudged_as_the_whole(processes: int) -> None:
    """In several processes a loss is a mean over all of them."""
    core = block(chain_energy([4, 5, 3], Tanh()), EquilibriumPropagation(0.5))
    expected = gradient(core, core(X))
    parts = []
    for first in (0, 3):
        share(core, Part(first, 3, 6, lambda x: None, processes))
        loss = core(X[first : first + 3]).square().sum(1).mean() * 0.5 * processes
        parts.append(torch.autograd.grad(loss, list(core.parameters())))
    summed = [(a + b) / processes for a, b in zip(*parts, strict=True)]
    assert same(summed, expected, 1e-12)


@pytest.mark.parametrize(
    ("drives", "message"),
    [
        ((), "takes 1 drives, and gets 0"),
        ((X, X), "takes 1 drives, and gets 2"),
        ((X[:, :3],), r"drive 0 of block block\d+ has shape \[6, 3\], and must be \(batch, 4\)"),
        ((X[0],), r"has shape \[4\]"),
        ((X[:0],), r"block block\d+ gets a batch of 0 samples, and needs at least one"),
        ((X.long(),), "is torch.int64, and must be real numbers"),
    ],
)
def test_drives_that_do_not_fit_are_refused(drives: tuple[Tensor, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        core_of(4, 5, 3)(*drives)


def test_a_drive_of_one_sample_beside_a_batch_is_refused() -> None:
    layers = [Layer("s", (4,), Tanh())]
    energy = HopfieldEnergy(layers, {}, {"u": Drive(0), "v": Drive(0)}).double()
    with pytest.raises(
        ValueError, match=r"drive 1 of block block\d+ has a batch of 1, drive 0 one of"
    ):
        block(energy)(X, X[:1])


SPEC = """
ffe 1.0
model m {{
  input x: vector(6)   target y: {target}
  block b {{
    feedforward u = x |> linear(4)
    energy hopfield {{
      layer s: [4] tanh
      u -> s
    }}
    out = s
  }}
  readout o = b |> linear({size})
  loss = {loss}(o, y)
}}
"""


@pytest.mark.parametrize(
    ("loss", "target", "size", "given"),
    [
        ("mse", "vector(1)", 1, torch.randn(16)),
        ("mse", "vector(2)", 2, torch.randn(16, 1)),
        ("mse", "vector(2)", 2, torch.randn(16, 2, 1)),
        ("cross_entropy", "label(3)", 3, torch.zeros(16, 3, dtype=torch.int64)),
        ("cross_entropy", "label(3)", 3, torch.zeros(16)),
        ("cross_entropy", "label(3)", 3, torch.zeros(16, 1, dtype=torch.int64)),
        ("cross_entropy", "label(3)", 3, torch.zeros(1, dtype=torch.int64)),
    ],
)
def test_targets_that_would_broadcast_are_refused(
    loss: str, target: str, size: int, given: Tensor
) -> None:
    network = ffebm_dsl.load(SPEC.format(loss=loss, target=target, size=size))
    with pytest.raises(ValueError, match=rf"(?s)\[16, {size}\].*\[{given.shape[0]}"):
        network(torch.randn(16, 6), given)


def test_an_input_that_does_not_fit_is_refused() -> None:
    network = ffebm_dsl.load(SPEC.format(loss="mse", target="vector(1)", size=1))
    with pytest.raises(ValueError, match=r"input x has shape \[16, 5\], and must be \(batch, 6\)"):
        network(torch.randn(16, 5))


def test_a_further_term_on_the_logits_of_a_loss_nudged_network_is_refused() -> None:
    text = SPEC.format(loss="cross_entropy", target="label(3)", size=3)
    network = ffebm_dsl.load(text.replace("block b {", "gradient ep(nudge=loss)\n  block b {"))
    outcome = network(torch.randn(4, 6), torch.tensor([0, 1, 2, 0]))
    outcome.loss.backward(retain_graph=True)
    assert outcome.logits.shape == (4, 3)
    with pytest.raises(RuntimeError, match="block b is nudged by the loss itself"):
        (outcome.loss + outcome.logits.square().mean()).backward()
