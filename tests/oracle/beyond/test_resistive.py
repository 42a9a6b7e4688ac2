"""Circuits of resistors and diodes with known solutions, reproduced from `.ffe` texts.

Each `.h5` file contains one circuit in float64, solved by coordinate steps and by a quadratic
programme; its exact gradient by an adjoint solve and by finite differences of every entry.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
import torch
from torch import Tensor

from ffebm_dsl.build import build
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.language.ir import compile_spec, read_source
from ffebm_dsl.physics.energy import ResistiveEnergy
from ffebm_dsl.physics.energy.resistive import BoundResistive
from ffebm_dsl.physics.network import HybridNetwork, Outcome

HERE = Path(__file__).parent
CASES = ("resistive_one_hidden", "resistive_two_hidden")
NUDGES = tuple(
    (nudge, size, beta)
    for nudge, betas in {"cotangent": (0.02, 0.5), "loss": (0.02, 0.1)}.items()
    for size, beta in zip(("small", "large"), betas, strict=True)
)

each_case = pytest.mark.parametrize("name", CASES)


class Circuit:
    """One reference file, and the network of its text with the reference's conductances."""

    def __init__(self, name: str, gradient: str = "") -> None:
        self.file = h5py.File(HERE / f"{name}.h5", "r")
        overrides = {"gradient": gradient} if gradient else {}
        spec = compile_spec(read_source(HERE / f"{name}.ffe"), overrides).spec
        self.network: HybridNetwork = build(spec, dtype=torch.float64)
        (self.block,) = self.network.blocks
        self.block.core.configure(keep_states=True)
        self.layers = len(self.block.core.energy.layers)
        with torch.no_grad():
            for key, parameter in self.parameters().items():
                value = self[f"params/{key}"]
                parameter.copy_(value.T if value.dim() == 2 else value)

    def __getitem__(self, key: str) -> Tensor:
        return torch.as_tensor(self.file[key][()])

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """By the names of the reference, whose conductances are (nodes below, nodes)."""
        energy = self.block.core.energy
        assert isinstance(energy, ResistiveEnergy)
        chains = [*energy.drives, *energy.couplings]
        named = {}
        for i, chain in enumerate(chains):
            (held,) = chain.ops
            named |= {f"conductance{i}": held.weight, f"bias{i}": held.bias}
        return named

    def bound(self) -> BoundResistive:
        energy = self.block.core.energy
        weights = {k: w.detach() for k, w in energy.weights().items()}
        bound = energy.bind([self["u"]], weights)
        assert isinstance(bound, BoundResistive)
        return bound

    def states(self, key: str) -> list[Tensor]:
        return [self[f"{key}/layer{i}"] for i in range(self.layers)]

    def outcome(self, x: Tensor) -> Outcome:
        outcome = self.network(x, self["y"])
        assert isinstance(outcome, Outcome)
        return outcome


def near(ours: Tensor, theirs: Tensor, tolerance: float, what: str = "") -> None:
    error = float((ours.detach() - theirs).norm() / theirs.norm())
    assert error < tolerance, f"{what}: relative error {error:.2e}"


@each_case
def test_the_circuit_comes_to_rest_where_it_should(name: str) -> None:
    circuit = Circuit(name)
    outcome = circuit.outcome(circuit["x"])
    near(outcome.loss, circuit["loss"], 1e-10)
    near(outcome.per_sample, circuit["per_sample_loss"], 1e-10)
    report, *_ = circuit.network.phases()
    assert report.state is not None
    for found, expected in zip(report.state, circuit.states("free"), strict=True):
        near(found, expected, 1e-9)


@each_case
def test_energy_power_and_currents_are_those_of_the_circuit(name: str) -> None:
    circuit = Circuit(name)
    bound, state = circuit.bound(), circuit.states("free")
    energy = circuit.block.core.energy
    near(energy.energy(state, [circuit["u"]]), circuit["energy"], 1e-10)
    near(bound.dissipated_power(state), circuit["dissipated_power"], 1e-10)
    near(bound.dissipated_power(state) / 2, circuit["half_power"], 1e-10)
    for i in range(circuit.layers):
        expected = circuit[f"net_current/layer{i}"]
        net = bound.pre_activation(state, i) - state[i]
        assert (net - expected).abs().max() < 1e-10
    assert float(bound.kirchhoff_residual(state).max()) < 1e-10


@each_case
def test_every_update_is_the_coordinate_step(name: str) -> None:
    """States after each sweep and energies after each group, in the asynchronous order."""
    circuit = Circuit(name)
    bound, energy = circuit.bound(), circuit.block.core.energy
    state = bound.zero_state()
    dynamics = bound.dynamics(from_zero=True)
    groups = circuit.block.core.settings.free.schedule
    energies, states = [], []
    with torch.no_grad():
        for _ in circuit["trace/states"]:
            for group in groups:
                for i, new in [(i, dynamics.update(state, i)) for i in group]:
                    state[i] = new
                    dynamics.moved(i)
                energies.append(energy.energy(state, [circuit["u"]]))
            states.append(torch.cat(state, 1))
    near(torch.stack(energies), circuit["trace/energy"], 1e-10)
    near(torch.stack(states), circuit["trace/states"], 1e-9)


@each_case
@pytest.mark.parametrize(("nudge", "size", "beta"), NUDGES)
def test_ep_is_the_contrast_of_the_nudged_circuits(
    name: str, nudge: str, size: str, beta: float
) -> None:
    circuit = Circuit(name, f"ep(beta={beta}, nudge={nudge})")
    x = circuit["x"].requires_grad_()
    circuit.outcome(x).loss.backward()
    _, *nudged = circuit.network.phases()
    for sign, report in zip(("plus", "minus"), nudged, strict=True):
        assert report.state is not None
        for found, expected in zip(
            report.state, circuit.states(f"nudged/{nudge}/{size}/{sign}"), strict=True
        ):
            near(found, expected, 1e-9, sign)
    _compare(circuit, x, f"grad_ep/{nudge}/{size}", 1e-7)


@each_case
def test_the_implicit_gradient_is_the_exact_one(name: str) -> None:
    circuit = Circuit(name)
    circuit.block.core.configure(estimator=Implicit(1e-15, 2000))
    x = circuit["x"].requires_grad_()
    circuit.outcome(x).loss.backward()
    _compare(circuit, x, "grad_exact", 1e-7)


def _compare(circuit: Circuit, x: Tensor, key: str, tolerance: float) -> None:
    for name, parameter in circuit.parameters().items():
        assert parameter.grad is not None
        expected = circuit[f"{key}/{name}"]
        near(parameter.grad, expected.T if expected.dim() == 2 else expected, tolerance, name)
    assert x.grad is not None
    near(x.grad, circuit[f"{key}/x"], tolerance, "x")
