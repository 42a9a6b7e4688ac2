"""Noise in relaxations: its effect, and what its numbers depend on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.identity import Identity
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.constructs.noises.state import StateNoise
from ffebm_dsl.physics.energy import Drive, HopfieldEnergy
from ffebm_dsl.physics.interfaces import (
    Draws,
    Estimator,
    Layer,
    Noise,
    PhaseSettings,
    PreActivationNoise,
    Stream,
)
from ffebm_dsl.physics.network import EnergyBlock
from ffebm_dsl.physics.network.whole_batch import Part, share
from tests.problems import (
    accelerated,
    block,
    chain_energy,
    convolutional_energy,
    max_pooled_energy,
    normal,
    over_relaxed,
)

X = normal(6, 4, seed=3)
IMAGES = normal(6, 2, 6, 6, seed=4)


KINDS = (PreActivationNoise, StateNoise)


def noisy(
    core: EnergyBlock,
    free: float,
    nudged: float,
    sweeps: int = 12,
    kind: type[Noise] = PreActivationNoise,
) -> EnergyBlock:
    def phase(settings: PhaseSettings, noise: float) -> PhaseSettings:
        return replace(settings, sweeps=sweeps, tolerance=0.0, noise=(kind(noise),))

    s = core.settings
    core.configure(free=phase(s.free, free), nudged=phase(s.nudged, nudged))
    return core


def dense(estimator: Estimator | None = None) -> EnergyBlock:
    return block(chain_energy([4, 5, 3], Tanh()), estimator or EquilibriumPropagation(0.3))


def result(core: EnergyBlock, x: Tensor, seed: int = 0) -> list[Tensor]:
    """The output and the gradients, under torch's generator at ``seed``."""
    torch.manual_seed(seed)
    out = core(x)
    return [out.detach(), *torch.autograd.grad(out.square().sum(1).mean(), [*core.parameters()])]


def same(a: Sequence[Tensor], b: Sequence[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("energy", [convolutional_energy, max_pooled_energy])
def test_no_noise_is_no_noise_bit_for_bit(energy: type, kind: type[Noise]) -> None:
    core = noisy(block(energy(), EquilibriumPropagation(0.3)), 0.0, 0.0, kind=kind)
    before = torch.random.get_rng_state()
    out = core(IMAGES)
    assert torch.equal(torch.random.get_rng_state(), before)
    core.configure(free=replace(core.settings.free, noise=()))
    assert torch.equal(core(IMAGES), out)


@pytest.mark.parametrize("estimator", [EquilibriumPropagation(0.3), Implicit(), Unrolled(5)])
@pytest.mark.parametrize("kind", KINDS)
def test_noise_follows_torchs_generator(estimator: Estimator, kind: type[Noise]) -> None:
    core = noisy(dense(estimator), 0.05, 0.0, kind=kind)
    one = result(core, X)
    assert same(result(core, X), one)
    assert not any(torch.equal(a, b) for a, b in zip(result(core, X, seed=1), one, strict=True))


def test_each_phase_has_its_own() -> None:
    core = dense()
    quiet = result(noisy(core, 0.0, 0.0), X)
    nudged = result(noisy(core, 0.0, 0.05), X)
    assert torch.equal(nudged[0], quiet[0]) and not torch.equal(nudged[1], quiet[1])
    free = result(noisy(core, 0.05, 0.0), X)
    assert not torch.equal(free[0], quiet[0])


def test_the_two_nudged_phases_do_not_share_theirs() -> None:
    """With beta so small that both phases are one, shared noise would cancel."""
    core = noisy(dense(EquilibriumPropagation(1e-12)), 0.0, 0.05)
    result(core, X)
    core.configure(keep_states=True)
    torch.manual_seed(0)
    core(X).sum().backward()
    _, positive, negative = core.reports
    assert positive.state is not None and negative.state is not None
    pairs = zip(positive.state, negative.state, strict=True)
    assert all(float((a - b).norm()) > 0.01 for a, b in pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_its_size_is_as_stated(kind: type[Noise]) -> None:
    """One identity layer without couplings: the state is the drive plus the noise."""
    energy = HopfieldEnergy([Layer("s", (400,), Identity())], {}, {"u": Drive(0)}).double()
    core = noisy(block(energy), 0.04, 0.0, sweeps=3, kind=kind)
    drive = normal(50, 400)
    torch.manual_seed(0)
    off = core(drive) - drive
    assert float(off.std()) == pytest.approx(0.04, rel=0.02)
    assert abs(float(off.mean())) < 0.002


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tolerance", [0.0, 0.05])
def test_a_sample_does_not_depend_on_the_others(tolerance: float, kind: type[Noise]) -> None:
    """What a row meets is the same when other samples come to rest before it."""
    core = noisy(dense(), 0.01, 0.01, sweeps=30, kind=kind)
    free = replace(core.settings.free, tolerance=tolerance)
    core.configure(free=free, keep_states=True)
    result(core, X)
    whole = core.reports[0]
    if tolerance:
        assert len(set(whole.sweeps.tolist())) > 1
        assert int(whole.sweeps.max()) <= 10, "beyond, a test that is due may come a sweep later"
    others = X.clone()
    others[1:] *= 0.5
    result(core, others)
    part = core.reports[0]
    assert whole.state is not None and part.state is not None
    pairs = zip(whole.state, part.state, strict=True)
    assert all(torch.allclose(a[0], b[0], rtol=0, atol=1e-14) for a, b in pairs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [1, 3])
def test_processes_that_share_a_batch_share_its_noise(cut: int, kind: type[Noise]) -> None:
    core = noisy(dense(), 0.05, 0.05, kind=kind)
    whole = result(core, X)
    outputs, gradients = [], []
    for first, count in ((0, cut), (cut, len(X) - cut)):
        share(core, Part(first, count, len(X), lambda tensor: None, 2))
        torch.manual_seed(0)
        out = core(X[first : first + count])
        loss = out.square().sum() / len(X) * 2
        outputs.append(out.detach())
        gradients.append(torch.autograd.grad(loss, [*core.parameters()]))
    assert torch.allclose(torch.cat(outputs), whole[0], rtol=0, atol=1e-15)
    means = [torch.stack(pair).mean(0) for pair in zip(*gradients, strict=True)]
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(means, whole[1:], strict=True))


def test_noise_gives_no_gradient_to_a_row_that_counts_nowhere() -> None:
    """A process without a sample computes with one, whose phases differ by their noise."""
    core = noisy(dense(), 0.0, 0.05)
    share(core, Part(6, 0, len(X), lambda tensor: None, 2))
    loss = (core(X[:1]) * 0).sum()
    found = torch.autograd.grad(loss, [*core.parameters()])
    assert not any(bool(g.any()) for g in found)
    share(core, Part(5, 1, len(X), lambda tensor: None, 2))
    loss = (core(X[:1]) * 0).sum()
    found = torch.autograd.grad(loss, [*core.parameters()])
    assert any(bool(g.any()) for g in found), "a sample at rest is measured with its noise"


def drawn(stream: Stream, *shape: int, layer: int = 0, dtype: torch.dtype | None = None) -> Tensor:
    """The numbers of the layer's next move, of (samples, *layer shape)."""
    return stream.onto(torch.zeros(shape, dtype=dtype), layer, 1.0, overwrite=True)


def test_the_precision_of_states_does_not_change_the_numbers() -> None:
    for shape in ((5,), (2, 4, 4)):
        draws = Draws(7, 3, 0, 3, units=math.prod(shape))
        found = [
            drawn(Stream(draws, "free"), 3, *shape, dtype=dtype)
            for dtype in (torch.float32, torch.float64, torch.complex128)
        ]
        assert torch.equal(found[0].double(), found[1]) and torch.equal(found[1], found[2].real)
        assert not found[2].imag.any()


def test_every_part_of_the_key_counts() -> None:
    def first(draws: Draws, key: str = "free 0", layer: int = 0, moves: int = 1) -> Tensor:
        stream = Stream(draws, key)
        return [drawn(stream, 3, 5, layer=layer) for _ in range(moves)][-1]

    base = Draws(7, 3, 0, 3, units=5)
    found = [
        first(base),
        first(Draws(8, 3, 0, 3, units=5)),
        first(base, key="free 1"),
        first(base, layer=1),
        first(base, moves=2),
    ]
    assert all(not torch.equal(a, b) for i, a in enumerate(found) for b in found[:i])
    assert torch.equal(first(base), found[0])


def test_copies_and_rows_are_drawn_apart() -> None:
    stream = Stream(Draws(7, 4, 1, 2, units=5), "nudged", copies=2)
    part = stream.select(torch.tensor([0, 3]))
    whole = drawn(stream, 4, 5)
    assert len(set(whole.flatten().tolist())) == whole.numel()
    assert torch.equal(drawn(part, 2, 5), whole[[0, 3]])
    next_move = drawn(stream, 4, 5)
    assert torch.equal(drawn(part.select(torch.tensor([1])), 1, 5), next_move[[3]])


@pytest.mark.parametrize("copies", [1, 2])
def test_the_state_is_overwritten_only_where_that_is_allowed(copies: int) -> None:
    draws, v = Draws(7, 3, 0, 3, units=5), torch.ones(3 * copies, 5)
    apart = Stream(draws, "free", copies).onto(v, 0, 0.5, overwrite=False)
    assert (v == 1).all()
    assert torch.equal(Stream(draws, "free", copies).onto(v, 0, 0.5, overwrite=True), apart)
    assert torch.equal(v, apart)


def test_numbers_are_normal_and_independent() -> None:
    """Moments, and correlations of neighbouring moves, samples, units and copies."""
    streams = [Stream(Draws(s, 20, 0, 20, units=50), "free 0", copies=2) for s in range(20)]
    x = torch.stack([drawn(s, 40, 50) for s in streams for _ in range(10)]).double()
    moments = [float(x.pow(k).mean()) for k in range(1, 5)]
    assert moments == pytest.approx([0, 1, 0, 3], abs=0.06)
    pairs = [(x[1:], x[:-1]), (x[:, 1:], x[:, :-1]), (x[..., 1:], x[..., :-1])]
    pairs.append((x[:, :20], x[:, 20:]))
    assert all(abs(float((a * b).mean())) < 0.01 for a, b in pairs)


def test_a_sum_over_a_batch_is_as_noisy_as_with_numbers_of_its_own() -> None:
    """Where sums over units see the same numbers in every window, as in a map of one channel:
    without random signs the sum of moves would be far too noisy, their difference far too quiet."""
    sums, contrasts = [], []
    for seed in range(400):
        draws = Draws(seed, 20, 0, 20, units=1000)
        free, nudged = (Stream(draws, key) for key in ("free 0", "nudged 0"))
        moves = [float(drawn(s, 20, 1000).double().sum()) for s in (free, free, nudged)]
        sums.append(moves[0] + moves[1])
        contrasts.append(moves[1] - moves[2])
    for found in (sums, contrasts):
        variance = float(torch.tensor(found).var()) / (2 * 20_000)
        assert variance == pytest.approx(1, abs=0.2)


def test_moves_of_a_unit_and_calls_do_not_repeat_numbers() -> None:
    """Windows of one call share numbers, but not at one unit of one sample."""
    calls = []
    for seed in (7, 8):
        stream = Stream(Draws(seed, 20, 0, 20, units=500), "free 0")
        calls.append(torch.stack([drawn(stream, 20, 500).abs() for _ in range(60)]))
    sorted_by_move = calls[0].sort(0).values
    assert float((sorted_by_move[1:] == sorted_by_move[:-1]).double().mean()) < 1e-4
    assert not len(set(calls[0].flatten().tolist()) & set(calls[1].flatten().tolist())) > 100
    assert len(set(calls[0].flatten().tolist())) < 30_000


def test_noise_on_states_is_not_cut_to_the_range() -> None:
    """A layer at the end of its range, whose neighbours and outputs meet what the noise makes."""
    energy = HopfieldEnergy([Layer("s", (400,), HardSigmoid())], {}, {"u": Drive(0)}).double()
    core = noisy(block(energy), 0.04, 0.0, sweeps=3, kind=StateNoise)
    assert float(core(torch.full((8, 400), -2.0)).std()) == pytest.approx(0.04, rel=0.05)
    core.configure(free=core.settings.free.damped(0.5))
    assert float(core(torch.full((8, 400), -2.0)).min()) < -0.03


def test_kinds_of_noise_add_up() -> None:
    core = dense()
    both = replace(core.settings.free, noise=(PreActivationNoise(0.05), StateNoise(0.05)))
    alone = [replace(both, noise=(noise,)) for noise in both.noise]
    outputs = []
    for free in (both, *alone):
        core.configure(free=free)
        torch.manual_seed(0)
        outputs.append(core(X))
    assert all(not torch.equal(a, b) for i, a in enumerate(outputs) for b in outputs[:i])


def test_unrolled_differentiates_noisy_sweeps() -> None:
    """Its sweeps after the free phase are as noisy as those of the free phase."""
    found = result(noisy(dense(Unrolled(12)), 0.05, 0.0), X)[1]
    quiet = result(noisy(dense(Unrolled(12)), 0.0, 0.0), X)[1]
    cosine = torch.nn.functional.cosine_similarity(found.flatten(), quiet.flatten(), dim=0)
    assert 0.9 < float(cosine) < 0.9999


def test_what_noise_cannot_go_with_is_refused() -> None:
    settings = dense().settings.free
    for other in (over_relaxed(settings, 1.2), accelerated(settings, 3, [1])):
        with pytest.raises(ValueError, match="noise needs plain sweeps, not "):
            replace(other, noise=(PreActivationNoise(0.1),))
    with pytest.raises(ValueError, match="noise must be at least 0"):
        PreActivationNoise(-0.1)
    assert replace(settings.damped(0.5), noise=(PreActivationNoise(0.1),)).noisy


def test_repeated_reads_average_as_one_over_the_root() -> None:
    """A quadratic energy: the mean over N reads is off by sigma / sqrt(N). 32 reads a call: rows
    of a batch are drawn apart, as calls are."""
    energy = chain_energy([4, 5, 3], Identity())
    with torch.no_grad():
        for weight in energy.parameters():
            weight.mul_(0.2)  # a convex energy
    at_rest = noisy(block(energy), 0.0, 0.0, sweeps=40)(X).detach()
    core = noisy(block(energy), 0.05, 0.0, sweeps=40)
    torch.manual_seed(0)
    calls = [core(X.repeat(32, 1)).detach().view(32, *at_rest.shape) for _ in range(32)]
    reads = torch.stack(calls, 1).flatten(0, 1) - at_rest
    errors = {
        n: reads.view(1024 // n, n, *at_rest.shape).mean(1).square().mean().sqrt()
        for n in (1, 4, 16, 64)
    }
    logs = torch.tensor([[n, float(e)] for n, e in errors.items()]).log()
    centred = logs - logs.mean(0)
    slope = float((centred[:, 0] * centred[:, 1]).sum() / centred[:, 0].square().sum())
    assert slope == pytest.approx(-0.5, abs=0.05)
