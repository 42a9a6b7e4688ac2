"""Resistive energies: Kirchhoff's laws, descent, exact updates, and refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ffebm_dsl import AvgPool2d, Conv2d, Diode, Flatten, HardSigmoid, Identity, Linear, MaxPool2d
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.energy import Coupling, Drive, ResistiveEnergy, project
from ffebm_dsl.physics.energy.resistive import BoundResistive
from ffebm_dsl.physics.gradients import LossCost
from ffebm_dsl.physics.gradients.nudging import Nudge
from ffebm_dsl.physics.interfaces import Activation, Layer, Status
from ffebm_dsl.physics.network import EnergyBlock
from ffebm_dsl.physics.relaxation import relax
from ffebm_dsl.tools.checking import CheckSettings, check
from ffebm_dsl.tools.checking.energy_promises import energy_promises
from tests import problems
from tests.problems import generator, normal, weights_of


def circuit(
    seed: int = 0, *, lateral: bool = False, sizes: Sequence[int] = (7, 5, 3)
) -> ResistiveEnergy:
    """Layers in a chain with a skip coupling; the first is driven through conductances."""
    a, b, c = sizes
    layers = [
        Layer("s0", (a,), Diode()),
        Layer("s1", (b,), HardSigmoid()),
        Layer("s2", (c,), Identity()),
    ]
    couplings = {
        "s0_s1": Coupling(0, 1, {"linear": Linear((a,), b)}),
        "s1_s2": Coupling(1, 2, {"linear": Linear((b,), c)}),
        "s0_s2": Coupling(0, 2, {"linear": Linear((a,), c, bias=False)}),
    }
    if lateral:
        couplings["s1_s1"] = Coupling(1, 1, {"linear": Linear((b,), b)})
    drives = {"u_s0": Drive(0, {"linear": Linear((4,), a)}), "v_s2": Drive(2)}
    return drawn(ResistiveEnergy(layers, couplings, drives), seed)


def convolutional(seed: int = 0) -> ResistiveEnergy:
    layers = [
        Layer("s0", (3, 6, 6), Diode()),
        Layer("s1", (4, 3, 3), Diode()),
        Layer("s2", (3,), Identity()),
    ]
    couplings = {
        "s0_s1": Coupling(
            0,
            1,
            {
                "conv2d": Conv2d((3, 6, 6), 4, 3, padding=1),
                "avg_pool2d": AvgPool2d((4, 6, 6), 2, stride=2),
            },
        ),
        "s1_s2": Coupling(1, 2, {"flatten": Flatten((4, 3, 3)), "linear": Linear((36,), 3)}),
    }
    drives = {
        "u_s0": Drive(0, {"conv2d": Conv2d((2, 8, 8), 3, 3)}),
        "v_s2": Drive(2),
    }
    return drawn(ResistiveEnergy(layers, couplings, drives), seed)


def drawn(energy: ResistiveEnergy, seed: int) -> ResistiveEnergy:
    """Conductances of which half are 0, but one on every node, and currents of either sign."""
    source = generator(seed)
    energy = energy.double()
    with torch.no_grad():
        for parameter in energy.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=source) - 0.5)
    project(energy)
    with torch.no_grad():
        for chain in energy.chains:
            for held in chain.ops:
                for weight in [w for name, w in held.named_parameters() if name != "bias"]:
                    weight[:, 0] += 0.1
    return energy


def drives_of(energy: ResistiveEnergy, batch: int = 3, seed: int = 1) -> list[Tensor]:
    shapes = energy.drive_shapes
    return [3 * normal(batch, *shape, seed=seed + k) for k, shape in enumerate(shapes)]


def random_state(energy: ResistiveEnergy, seed: int = 0) -> list[Tensor]:
    return [layer.activation.project(normal(3, *layer.shape, seed=seed)) for layer in energy.layers]


def bound_of(energy: ResistiveEnergy, drives: Sequence[Tensor]) -> BoundResistive:
    return energy.bind(drives, weights_of(energy))


MAKERS = {"dense": circuit, "convolutional": convolutional}
each_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
seeds = st.integers(0, 10_000)


@each_maker
@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_currents_add_up_to_zero_at_rest(make: type[ResistiveEnergy], seed: int) -> None:
    energy = make(seed)
    bound = bound_of(energy, drives_of(energy, seed=seed))
    rest = relax(
        bound.dynamics(from_zero=True), bound.zero_state(), problems.settings(energy, 4000)
    )
    assert (rest.status == Status.CONVERGED).all()
    assert float(bound.kirchhoff_residual(rest.state).max()) <= 1e-10
    elsewhere = [s + 0.1 for s in rest.state]
    assert float(bound.kirchhoff_residual(elsewhere).min()) > 1e-3


@each_maker
@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_no_update_of_a_group_raises_the_energy(make: type[ResistiveEnergy], seed: int) -> None:
    energy = make(seed)
    drives = drives_of(energy, seed=seed)
    bound = bound_of(energy, drives)
    dynamics = bound.dynamics()
    state = [
        layer.activation.project(normal(3, *layer.shape, seed=seed)) for layer in energy.layers
    ]
    before = energy.energy(state, drives)
    for group in problems.settings(energy).schedule * 5:
        for i, new in [(i, dynamics.update(state, i)) for i in group]:
            state[i] = new
            dynamics.moved(i)
        now = energy.energy(state, drives)
        assert (now <= before + 1e-12 * before.abs().clamp_min(1)).all()
        before = now


@each_maker
@settings(max_examples=5, deadline=None)
@given(seed=seeds)
def test_every_closed_form_follows_from_the_energy(make: type[ResistiveEnergy], seed: int) -> None:
    energy = make(seed)
    promises = list(energy_promises(energy, energy.drive_shapes, generator(seed)))
    assert [p for p in promises if not p.kept] == [] and len(promises) == 13


def test_lateral_resistors_are_part_of_the_energy() -> None:
    energy = circuit(lateral=True)
    assert all(p.kept for p in energy_promises(energy, energy.drive_shapes, generator()))
    bound = bound_of(energy, drives_of(energy))
    rest = relax(bound.dynamics(), bound.zero_state(), problems.settings(energy, 4000, damping=0.3))
    assert (rest.status == Status.CONVERGED).all()
    assert float(bound.kirchhoff_residual(rest.state).max()) <= 1e-10


def test_the_dissipated_power_is_that_of_every_single_resistor() -> None:
    energy, state = circuit(), [normal(3, n, seed=n) for n in (7, 5, 3)]
    u, v = drives_of(energy)
    pairs = [(u, state[0], energy.drives["u_s0"])]
    pairs += [(state[c.source], state[c.target], c) for c in energy.couplings]
    power = (v - state[2]).square().sum(1)
    for a, b, chain in pairs:
        power += (chain.ops["linear"].weight * (b[:, :, None] - a[:, None]).square()).sum((1, 2))
    assert torch.allclose(bound_of(energy, [u, v]).dissipated_power(state), power, rtol=1e-12)


def test_a_node_without_conductance_stays_at_zero() -> None:
    energy = circuit()
    with torch.no_grad():
        for chain in energy.chains[:1] + energy.chains[3:4]:
            chain.ops["linear"].weight[2] = 0
            chain.ops["linear"].bias.zero_()
        energy.couplings["s0_s1"].ops["linear"].weight[:, 2] = 0
        energy.couplings["s0_s2"].ops["linear"].weight[:, 2] = 0
        energy.drives["u_s0"].ops["linear"].weight[2] = 0
    bound = bound_of(energy, drives_of(energy))
    rest = relax(bound.dynamics(), bound.zero_state(), problems.settings(energy, 4000))
    assert (rest.state[0][:, 2] == 0).all() and (rest.status == Status.CONVERGED).all()


# Gradients -------------------------------------------------------------------------------


@each_maker
def test_ep_implicit_and_unrolled_gradients_agree(make: type[ResistiveEnergy]) -> None:
    energy = make(3)
    block = problems.block(energy)
    drives = drives_of(energy)
    found: list[list[Tensor]] = []
    for estimator in (EquilibriumPropagation(1e-3), Implicit(1e-14, 4000), Unrolled(400)):
        block.configure(estimator=estimator)
        for parameter in block.parameters():
            parameter.grad = None
        given = [u.clone().requires_grad_() for u in drives]
        block(*given).square().sum(1).mean().backward()
        found.append([p.grad.clone() for p in [*block.parameters(), *given] if p.grad is not None])
    for other in found[1:]:
        assert len(other) == len(found[0])
        for a, b in zip(found[0], other, strict=True):
            assert float((a - b).norm()) < 1e-7 * float(a.norm())


TEXT = """ffe 1.1
model m {{
  input  x: vector({inputs})
  target y: vector({outputs})
  gradient ep(beta=0.1, nudge={nudge})
  block b {{
    feedforward u = x |> double() |> gain(2)
    energy resistive {{
      layer s0: [{hidden}] {activation}
      layer s1: [{outputs}] identity
      u  ->  s0 : linear()
      s0 <-> s1 : linear()
    }}
    out = s1
  }}
  loss = mse(b, y)
}}
"""


def spec_text(**changes: object) -> str:
    made = {"inputs": 4, "outputs": 3, "hidden": 9, "nudge": "loss", "activation": "diode"}
    return TEXT.format(**(made | changes))


@pytest.mark.parametrize(
    ("inputs", "outputs", "hidden", "activation"),
    [
        (4, 3, 9, "diode"),
        (5, 2, 14, "diode(plus)"),
        (6, 4, 8, "relu"),
        (4, 3, 11, "hard_sigmoid"),
        (4, 3, 9, "clamp(-0.2, 0.3)"),
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_ep_passes_the_check_with_a_bias_of_order_two(
    inputs: int, outputs: int, hidden: int, activation: str, seed: int
) -> None:
    text = spec_text(inputs=inputs, outputs=outputs, hidden=hidden, activation=activation)
    report = check(compile_spec(SourceFile("m.ffe", text)).spec, CheckSettings(seed=seed))
    assert all(row.agrees for row in report.gradients)
    centered = next(row for row in report.beta_sweep if row.estimator == "centered")
    assert centered.observed_order is None or abs(centered.observed_order - 2) < 0.2


def test_a_wrong_stiffness_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the energy promises, and by the gradients' finite differences."""
    fields = BoundResistive._fields

    def wrong(self: BoundResistive) -> dict[int, Tensor]:
        found = fields(self)
        self.stiffness[0] = self.stiffness[0] * 1.1
        return found

    spec = compile_spec(SourceFile("m.ffe", spec_text())).spec
    assert all(row.agrees for row in check(spec).gradients)
    monkeypatch.setattr(BoundResistive, "_fields", wrong)
    energy = circuit()
    broken = [
        p.text for p in energy_promises(energy, energy.drive_shapes, generator()) if not p.kept
    ]
    assert "the pre-activation is the gradient of phi" in broken
    report = check(spec)
    wrong_rows = [row for row in report.gradients if not row.agrees]
    assert {row.reference for row in wrong_rows} >= {"finite_differences"}


# Nudges ----------------------------------------------------------------------------------


def squared_error(target: Tensor, second: float = 1.0) -> LossCost:
    return LossCost(
        2,
        lambda s, copies: (s - torch.cat([target] * copies)).square().sum(1) / 2,
        torch.nn.Identity(),
        second=second,
    )


def test_a_squared_error_is_minimised_in_one_update() -> None:
    energy, target = circuit(), normal(3, 3, seed=9)
    bound = bound_of(energy, drives_of(energy))
    state = random_state(energy)
    beta = torch.tensor([0.3, -0.2, 5.0], dtype=torch.float64)
    exact = bound.dynamics(Nudge(squared_error(target), beta)).update(state, 2)
    current = bound.current(state, 2)
    expected = (current + beta[:, None] * target) / (bound.stiffness[2] + beta[:, None])
    assert torch.allclose(exact, expected, atol=1e-13)
    again = bound.dynamics(Nudge(squared_error(target), beta)).update([*state[:2], exact], 2)
    assert torch.allclose(again, exact, atol=1e-13)
    # Without the curvature the update goes by the force where the layer is.
    plain = bound.dynamics(Nudge(squared_error(target, second=0.0), beta)).update(state, 2)
    assert not torch.allclose(plain, exact)


def test_a_nudge_without_a_minimum_diverges() -> None:
    energy = circuit()
    bound = bound_of(energy, drives_of(energy))
    beta = torch.full((3,), -1e3, dtype=torch.float64)
    nudged = bound.dynamics(Nudge(squared_error(normal(3, 3)), beta))
    end = relax(nudged, bound.zero_state(), problems.settings(energy, 50))
    assert (end.status == Status.DIVERGED).all()


def test_selected_samples_go_on_as_before() -> None:
    energy, rows = circuit(), torch.tensor([2, 0])
    bound = bound_of(energy, drives_of(energy))
    beta = torch.tensor([0.3, -0.2, 5.0], dtype=torch.float64)
    dynamics = bound.dynamics(Nudge(squared_error(normal(3, 3)), beta))
    state = random_state(energy)
    part = dynamics.select(rows)
    for i in range(3):
        few = part.update([s[rows] for s in state], i)
        assert torch.allclose(few, dynamics.update(state, i)[rows], atol=1e-14)


# Conductances ----------------------------------------------------------------------------


def test_conductances_stay_nonnegative_in_any_loop() -> None:
    energy = circuit()
    block = EnergyBlock(energy, [2])
    optimizer = torch.optim.SGD(block.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        block(*drives_of(energy)).square().sum().backward()
        optimizer.step()
    used = {k: w for k, w in energy.weights().items() if not k.endswith("bias")}
    assert all((w >= 0).all() for w in used.values())
    assert any((w == 0).any() for w in used.values())


REFUSED: Mapping[str, Activation] = {"bends": Tanh(), "slope": Identity(2.0)}


@pytest.mark.parametrize("activation", REFUSED.values(), ids=REFUSED)
def test_an_activation_that_does_more_than_cut_off_is_refused(activation: Activation) -> None:
    with pytest.raises(ValueError, match="no limit of a voltage"):
        ResistiveEnergy([Layer("s", (3,), activation)], {}, {"u": Drive(0)})


def test_max_pooling_is_refused() -> None:
    layers = [Layer("a", (1, 4, 4), Diode()), Layer("b", (1, 2, 2), Diode())]
    pooled = {"a_b": Coupling(0, 1, {"max_pool2d": MaxPool2d((1, 4, 4), 2, stride=2)})}
    with pytest.raises(ValueError, match="linear: max pooling is not"):
        ResistiveEnergy(layers, pooled, {"u": Drive(0)})


WRONG = {
    "tanh": "cannot have this activation",
    "relu(slope=2)": "cannot have this activation",
}


@pytest.mark.parametrize("activation", WRONG)
def test_a_text_with_such_an_activation_is_refused(activation: str) -> None:
    with pytest.raises(SpecError, match=re.escape(WRONG[activation])):
        compile_spec(SourceFile("m.ffe", spec_text(activation=activation)))
