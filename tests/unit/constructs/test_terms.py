"""Terms of one layer: derivatives, bounds, and decrease of the energy in steps of the bound."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ffebm_dsl.constructs.activations.hard_sigmoid import CONSTRUCT as HARD_SIGMOID
from ffebm_dsl.constructs.activations.identity import CONSTRUCT as IDENTITY
from ffebm_dsl.constructs.activations.tanh import CONSTRUCT as TANH
from ffebm_dsl.language.registry import TERMS
from ffebm_dsl.physics.energy import Drive, HopfieldEnergy, LayerTerm
from ffebm_dsl.physics.interfaces import Layer, Term

SHAPE = (4, 3)
ARGUMENTS: dict[str, dict[str, Any]] = {
    "unit_bias": {},
    "memory": {"memories": 5},
    "attention": {"heads": 2, "dim": 2, "gamma": 0.7},
}
ACTIVATIONS = {
    "identity": IDENTITY.make(slope=1.0),
    "tanh": TANH.make(slope=1.5),
    "hard_sigmoid": HARD_SIGMOID.make(slope=0.8),
}
seeds = given(st.integers(0, 10_000), st.floats(0.1, 3.0))
each = pytest.mark.parametrize("name", ARGUMENTS)


def made(name: str, seed: int, size: float) -> tuple[Term, dict[str, Tensor], torch.Generator]:
    term = TERMS[name].make(ARGUMENTS[name], SHAPE)
    generator = torch.Generator().manual_seed(seed)
    weights = {
        key: size * torch.randn(shape, dtype=torch.float64, generator=generator)
        for key, shape in term.weight_shapes().items()
    }
    return term, weights, generator


def drawn(generator: torch.Generator, batch: int = 2) -> Tensor:
    return torch.randn(batch, *SHAPE, dtype=torch.float64, generator=generator)


def hessian(term: Term, s: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Of one sample, (n d, n d), column by column by the term's own products."""
    basis = torch.eye(s.numel(), dtype=s.dtype).reshape(-1, *SHAPE)
    found = term.product(s.expand_as(basis), basis, weights)
    return found.reshape(s.numel(), s.numel())


def test_every_term_is_tested() -> None:
    assert set(TERMS.visible()) == set(ARGUMENTS)


@each
@seeds
@settings(max_examples=20, deadline=None)
def test_force_and_product_are_derivatives_of_phi(name: str, seed: int, size: float) -> None:
    term, weights, generator = made(name, seed, size)
    s, w = drawn(generator).requires_grad_(), drawn(generator)
    (force,) = torch.autograd.grad(term.phi(s, weights).sum(), s, create_graph=True)
    scale = 1 + float(force.detach().norm())
    assert float((term.force(s, weights) - force).detach().norm()) < 1e-10 * scale
    if force.requires_grad:
        (product,) = torch.autograd.grad(
            (force * w).sum(), s, allow_unused=True, materialize_grads=True
        )
    else:
        product = torch.zeros_like(w)
    found = term.product(s.detach(), w, weights)
    assert float((found - product).norm()) < 1e-10 * (1 + float(product.norm()))


@each
@seeds
@settings(max_examples=20, deadline=None)
def test_the_hessian_is_symmetric_and_bounded(name: str, seed: int, size: float) -> None:
    term, weights, generator = made(name, seed, size)
    matrix = hessian(term, drawn(generator, 1) * 3, weights)
    assert float((matrix - matrix.t()).abs().max()) <= 1e-12 * (1 + float(matrix.abs().max()))
    least = float(torch.linalg.eigvalsh((matrix + matrix.t()) / 2)[0])
    assert least >= -float(term.curvature(weights)) - 1e-9 * (1 + abs(least))


@each
@pytest.mark.parametrize("activation", ACTIVATIONS)
@seeds
@settings(max_examples=15, deadline=None)
def test_the_energy_falls_in_every_sweep(
    name: str, activation: str, seed: int, size: float
) -> None:
    """At the step that is taken, and at nearly twice that, from states anywhere in the range."""
    term, weights, generator = made(name, seed, size)
    kind = ACTIVATIONS[activation]
    layer = Layer("z", SHAPE, kind)
    energy = HopfieldEnergy([layer], {}, {"u": Drive(0)}, {"z_t": LayerTerm(0, term)}).double()
    with torch.no_grad():
        for key, parameter in energy.terms["z_t"].named_parameters():
            parameter.copy_(weights[key])
        u, s = drawn(generator), kind(drawn(generator))
        bound = energy.bind([u], {k: w.detach() for k, w in energy.weights().items()})
        (step,) = energy.steps().values()
        for part in (step, min(1.0, 1.95 * step)):
            before = energy.energy([s], [u])
            after = energy.energy([s.lerp(kind(bound.pre_activation([s], 0)), part)], [u])
            assert (after <= before + 1e-9 * (1 + before.abs())).all()
        dynamics = bound.dynamics()
        state = [s]
        for _ in range(4):
            before = energy.energy(state, [u])
            state = [dynamics.update(state, 0)]
            dynamics.moved(0)
            assert (energy.energy(state, [u]) <= before + 1e-9 * (1 + before.abs())).all()


@each
def test_counts_are_true(name: str) -> None:
    construct = TERMS[name]
    term = construct.make(ARGUMENTS[name], SHAPE)
    held = sum(p.numel() for p in LayerTerm(0, term).parameters())
    assert construct.count_parameters(ARGUMENTS[name], SHAPE) == held


def test_a_bound_that_were_wrong_would_be_found() -> None:
    """Without its curvature, attention's energy rises in some step: the test above can fail."""
    risen = 0
    for seed in range(20):
        term, weights, generator = made("attention", seed, 2.0)
        weights["key"] = -weights["query"]  # tokens that repel each other, and themselves
        u, s = drawn(generator), drawn(generator)
        energy = HopfieldEnergy(
            [Layer("z", SHAPE, IDENTITY.make(slope=1.0))],
            {},
            {"u": Drive(0)},
            {"z_t": LayerTerm(0, term)},
        ).double()
        with torch.no_grad():
            for key, parameter in energy.terms["z_t"].named_parameters():
                parameter.copy_(weights[key])
            bound = energy.bind([u], {k: w.detach() for k, w in energy.weights().items()})
            after = energy.energy([bound.pre_activation([s], 0)], [u])
            risen += int((after > energy.energy([s], [u])).sum())
    assert risen > 0
