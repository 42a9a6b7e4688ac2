"""Every registered construct keeps the promises of its kind, with random arguments.

New activations, energies, initialisers, schedules, solvers, estimators, ... are tested without
further code.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import BlockIR, CallIR, LayerIR, SpecIR
from ffebm_dsl.language.ir.resolve.bind import fill_defaults
from ffebm_dsl.language.registry import (
    ACTIVATIONS,
    AUGMENTATIONS,
    ENERGIES,
    GRADIENTS,
    INITIALISERS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    SOLVERS,
    TARGETS,
    Construct,
    EnergyConstruct,
    EpochPosition,
    Kind,
)
from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.tools.checking.energy_promises import energy_promises
from ffebm_dsl.tools.checking.promises import activation_promises
from tests.problems import generator, normal
from tests.unit.constructs.drawing import calls
from tests.unit.constructs.everything import every, named_packages

PROPERTY = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))

TEXT = """ffe 1.0
model m {
  input  x: vector(5)
  target y: label(3)
  relax free   { sweeps = 400  tolerance = 1e-13 }
  relax nudged { sweeps = 200  tolerance = 1e-13 }
  init normal(std=0.1)
  block b {
    feedforward u = x |> linear(6)
    energy hopfield {
      layer s1: [6] tanh(0.7)
      layer s2: [4] tanh(0.7)
      u  ->  s1
      s1 <-> s2 : linear()
      s1 <-> s1 : linear()
    }
    out = s2
  }
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}
"""
SPEC: SpecIR = compile_spec(SourceFile("m.ffe", TEXT)).spec


def network(**changes: Any) -> HybridNetwork:
    """The small contracting network, with these fields of its block changed."""
    (block,) = SPEC.model.blocks
    assert isinstance(block, BlockIR)
    model = replace(SPEC.model, stages=(replace(block, **changes),))
    spec = replace(SPEC, version="1.1", packages=named_packages(), model=model)
    return build(spec, dtype=torch.float64)


@every(ACTIVATIONS)
@PROPERTY
@given(data=st.data())
def test_an_activation_belongs_to_its_potential(construct: Any, data: st.DataObject) -> None:
    activation = construct.make(**data.draw(calls(construct)))
    broken = [p for p in activation_promises(activation, generator()) if not p.kept]
    assert not broken, broken


@every(ENERGIES)
@PROPERTY
@given(seed=st.integers(0, 99))
def test_all_of_an_energy_follows_from_its_phi(construct: Any, seed: int) -> None:
    (block,) = network(energy=construct.name, layers=_layers(construct)).blocks
    promises = energy_promises(block.core.energy, [(6,)], generator(seed))
    broken = [p for p in promises if not p.kept]
    assert not broken, broken


def _layers(construct: EnergyConstruct) -> tuple[LayerIR, ...]:
    """The layers, with another activation where the energy does not take theirs."""
    (block,) = SPEC.model.blocks
    first = block.layers[0].activation
    if not construct.refuses or not construct.refuses(ACTIVATIONS[first.name].make(slope=0.7)):
        return block.layers
    others = [CallIR("diode", {"sign": "pair"}), CallIR("angle", {"harmonic": 0.3})]
    fitting = next(
        a for a in others if not construct.refuses(ACTIVATIONS[a.name].make(**a.arguments))
    )
    return tuple(replace(layer, activation=fitting) for layer in block.layers)


@every(INITIALISERS)
@PROPERTY
@given(data=st.data(), kernel=st.sampled_from([(), (3, 3), (2, 2)]), seed=st.integers(0, 9))
def test_an_initialiser_draws_finite_values_from_its_generator_alone(
    construct: Any, data: st.DataObject, kernel: tuple[int, ...], seed: int
) -> None:
    arguments = data.draw(calls(construct))
    before, drawn = torch.get_rng_state(), []
    for _ in range(2):
        weight = torch.full((4, 3, *kernel), math.nan, dtype=torch.float64)
        construct.draw(weight, Generator().manual_seed(seed), **arguments)
        drawn.append(weight)
    assert bool(drawn[0].isfinite().all()) and torch.equal(*drawn)
    assert torch.equal(before, torch.get_rng_state())


@every(SCHEDULES)
@PROPERTY
@given(
    data=st.data(),
    lr=st.floats(1e-6, 10),
    epochs=st.integers(1, 50),
    at=st.floats(0, 1, exclude_max=True),
    part=st.floats(0, 1, exclude_max=True),
)
def test_a_schedule_is_finite_and_not_negative(
    construct: Any, data: st.DataObject, lr: float, epochs: int, at: float, part: float
) -> None:
    arguments = data.draw(calls(construct))
    rate = construct.rate(arguments, lr, EpochPosition(int(at * epochs), epochs, part))
    assert math.isfinite(rate) and rate >= 0


def fixed_point(core: Any, drive: Tensor) -> list[Tensor]:
    """Where plain sweeps, layer by layer, end."""
    weights = {name: w.detach() for name, w in core.energy.weights().items()}
    bound = core.energy.bind([drive], weights)
    state = bound.zero_state()
    with torch.no_grad():
        dynamics = bound.dynamics()
        for i in [*range(len(state))] * 500:
            state[i] = dynamics.update(state, i).clone()
            dynamics.moved(i)
    return state


@every(SOLVERS)
@PROPERTY
@given(data=st.data(), order=st.sampled_from(("synchronous", "asynchronous", "forward")))
def test_a_solver_ends_where_plain_sweeps_end(
    construct: Construct, data: st.DataObject, order: str
) -> None:
    call = CallIR(construct.name, data.draw(calls(construct)))
    (before,) = SPEC.model.blocks
    (block,) = network(free=replace(before.free, solver=call, order=order)).blocks
    drive = normal(3, 6)
    solution, _ = block.core.solve(drive)
    expected = fixed_point(block.core, drive)
    for found, right in zip(solution.state, expected, strict=True):
        assert torch.allclose(found, right, rtol=0, atol=1e-9)
    assert int(solution.sweeps.max()) < before.free.sweeps


def gradients(gradient: CallIR) -> Tensor:
    """Of all parameters of the network, in one vector."""
    built = network(gradient=gradient)
    built(normal(4, 5), torch.arange(4) % 3).loss.backward()
    return torch.cat([p.grad.flatten() for p in built.parameters() if p.grad is not None])


@every(GRADIENTS)
@PROPERTY
@given(data=st.data())
def test_an_estimator_agrees_with_the_implicit_gradient_within_its_bias(
    construct: Any, data: st.DataObject
) -> None:
    """With the arguments of the benchmark, and every one of its words but nudging by the loss."""
    arguments = fill_defaults(construct, {**construct.compared(300)})
    for parameter in construct.parameters:
        if parameter.kind is Kind.CHOICE:
            words = [word for word in parameter.choices if word != "loss"]
            arguments[parameter.name] = data.draw(st.sampled_from(words))
    exact = gradients(CallIR("implicit", {"tolerance": 1e-13, "sweeps": 2000}))
    found = gradients(CallIR(construct.name, arguments))
    if getattr(construct.make(arguments), "clamped", False):
        # The gradient of what it costs to hold the outputs (test_coupled_learning.py): downhill.
        assert float((found * exact).sum()) > 0
    else:
        assert float((found - exact).norm() / exact.norm()) < 0.05


@pytest.mark.parametrize(
    ("construct", "kind"), [(loss, kind) for loss in LOSSES.values() for kind in loss.targets]
)
def test_a_loss_is_one_number_per_sample(construct: Any, kind: str) -> None:
    prediction = normal(4, 3).requires_grad_()
    target = torch.arange(4) % 3 if TARGETS[kind].classes else normal(4, 3, seed=1)
    loss = construct.per_sample(prediction, target)
    assert loss.shape == (4,) and bool(loss.isfinite().all())
    (gradient,) = torch.autograd.grad(loss[0], prediction)
    assert bool((gradient[1:] == 0).all()) and bool((gradient[0] != 0).any())


@every(AUGMENTATIONS)
@PROPERTY
@given(data=st.data())
def test_an_augmentation_keeps_the_shape_and_what_it_is_given(
    construct: Any, data: st.DataObject
) -> None:
    arguments = data.draw(calls(construct))
    images = normal(4, 2, 9, 9)
    others = normal(4, 2, 9, 9, seed=1)
    numbers = np.random.default_rng(0).random((4, construct.draws))
    before = images.clone()

    def change(first: int, end: int) -> Any:
        part, drawn = images[first:end], numbers[first:end]
        if construct.mix is None:
            return construct.apply(part, drawn, arguments)
        return construct.mix(part, others[first:end], drawn, arguments)[0]

    changed = change(0, 4)
    assert changed.shape == images.shape and changed.dtype == images.dtype
    assert torch.equal(images, before)
    assert torch.equal(change(0, 1), changed[:1])


@every(OPTIMIZERS)
@PROPERTY
@given(data=st.data())
def test_an_optimizer_moves_parameters_to_finite_values(
    construct: Any, data: st.DataObject
) -> None:
    arguments = data.draw(calls(construct, Kind.CALLS))
    if construct.conflict(arguments):
        return
    parameter = nn.Parameter(normal(5))
    optimizer = construct.make([{"params": [parameter], "lr": 0.1}], arguments)
    before = parameter.detach().clone()
    parameter.grad = normal(5, seed=1)
    optimizer.step()
    assert bool(parameter.isfinite().all()) and not torch.equal(parameter, before)
