"""Reference results of scaled and asymmetric couplings, reproduced from `.ffe` texts.

They were computed without ffebm, each in two ways: sweeps and Newton's method, contrasts by hand
and by autograd, gradients by an adjoint solve and by finite differences of every entry. A stored
estimate is for its beta, including the bias.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
import torch
from torch import Tensor

from ffebm_dsl.build import build
from ffebm_dsl.constructs.gradients.aep import AsymmetricPropagation
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec, read_source
from ffebm_dsl.physics.interfaces import Estimator
from ffebm_dsl.physics.network import HybridNetwork, PhaseReport

HERE = Path(__file__).parent
FEEDBACK = ["feedback_conv", "feedback_dense", "feedback_skip"]
AEP = ["aep_mixed", "aep_three_layers", "aep_two_layers"]

STATES, GRADIENTS, ENERGIES = 1e-9, 1e-7, 1e-10
EXACT = {"implicit": Implicit(1e-14, 2000), "unrolled": Unrolled(300)}


class Reference:
    """One reference file, by the names that ffebm gives its tensors."""

    def __init__(self, name: str) -> None:
        self.file = h5py.File(HERE / f"{name}.h5", "r")
        self.description = json.loads(self.file.attrs["description"])

    def __getitem__(self, key: str) -> Tensor:
        return torch.as_tensor(self.file[key][()])

    def parameter(self, group: str, label: str) -> Tensor:
        """`b0.s0_s1.linear.weight` is `block0/coupling0.weight` there.

        A backward weight is stored there as the matrix that acts, here as its transpose.
        """
        place, *rest = label.split(".")
        if place == "readout":
            return self[f"{group}/readout/linear.{rest[-1]}"]
        if rest[0].startswith("u"):
            folder = f"{group}/block0/feedforward"
            names = (f"{rest[1]}{rest[0][1:]}.{rest[2]}", f"{rest[1]}.{rest[2]}")
            return self[f"{folder}/{next(n for n in names if n in self.file[folder])}"]
        couplings = [c["index"] for c in self.description["blocks"][0]["couplings"]]
        ends = [(c["source"], c["destination"]) for c in self.description["blocks"][0]["couplings"]]
        a, b = (int(layer[1:]) for layer in rest[0].split("_")[:2])
        index = couplings[ends.index((a, b))]
        value = self[f"{group}/block0/coupling{index}.{rest[-1]}"]
        return value.mT if rest[-1] == "backward_weight" else value


def load(name: str, text: str = "") -> tuple[HybridNetwork, Reference]:
    """A reference network with its parameters, of another ``text`` where one is given."""
    reference = Reference(name)
    source = SourceFile(name, text) if text else read_source(HERE / f"{name}.ffe")
    network = build(compile_spec(source).spec, dtype=torch.float64)
    labels = network.labels()
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            parameter.copy_(reference.parameter("params", labels[key]))
    (block,) = network.blocks
    block.core.configure(keep_states=True)
    return network, reference


def assert_close(ours: Tensor, theirs: Tensor, tolerance: float, what: str) -> None:
    error = float((ours - theirs).norm() / theirs.norm())
    assert error < tolerance, f"{what}: relative error {error:.2e}"


class Outcome:
    """A backward pass through a reference network by one estimator."""

    def __init__(
        self, network: HybridNetwork, reference: Reference, estimator: Estimator | None
    ) -> None:
        (block,) = network.blocks
        self.network, self.reference = network, reference
        settings = block.core.settings
        settings = replace(settings, estimator=estimator or settings.estimator)
        self.x = reference["x"].requires_grad_()
        network.zero_grad()
        outcome = network(self.x, reference["y"], settings={"b0": settings})
        outcome.loss.backward()
        self.loss, self.logits = outcome.loss.detach(), outcome.logits.detach()
        self.reports: list[PhaseReport] = network.phases()

    def assert_gradients(self, group: str) -> None:
        """Of every parameter, held to ``group``, and of the input."""
        labels = self.network.labels()
        for key, parameter in self.network.named_parameters():
            assert parameter.grad is not None
            expected = self.reference.parameter(group, labels[key])
            assert_close(parameter.grad, expected, GRADIENTS, f"{group} {labels[key]}")
        _, _, way = group.partition("_")
        way = way.removeprefix("est/")
        assert self.x.grad is not None
        found = self.reference.file[f"input_cotangent/{way}"]
        name = f"input_cotangent/{way}" + ("/block0" if isinstance(found, h5py.Group) else "")
        assert_close(self.x.grad, self.reference[name], GRADIENTS, name)

    def assert_states(self, report: PhaseReport, group: str) -> None:
        assert report.state is not None
        for layer, state in enumerate(report.state):
            assert_close(state, self.reference[f"{group}/layer{layer}"], STATES, f"{group} {layer}")


@pytest.mark.parametrize("name", [*FEEDBACK, *AEP])
def test_the_free_state(name: str) -> None:
    outcome = Outcome(*load(name), EXACT["implicit"])
    outcome.assert_states(outcome.reports[0], "free/block0")
    assert_close(outcome.loss, outcome.reference["loss"], ENERGIES, "loss")
    assert_close(outcome.logits, outcome.reference["logits"], STATES, "logits")


@pytest.mark.parametrize("name", [*FEEDBACK, *AEP])
@pytest.mark.parametrize("estimator", EXACT)
def test_exact_gradients(name: str, estimator: str) -> None:
    outcome = Outcome(*load(name), EXACT[estimator])
    outcome.assert_gradients("grad_exact")
    outcome.assert_gradients("grad_fd")


@pytest.mark.parametrize("name", FEEDBACK)
def test_ep_with_scaled_feedback(name: str) -> None:
    network, reference = load(name)
    outcome = Outcome(network, reference, None)
    for report, group in zip(outcome.reports[1:], ("nudged_plus", "nudged_minus"), strict=True):
        outcome.assert_states(report, f"{group}/block0")
    outcome.assert_gradients("grad_ep")


@pytest.mark.parametrize("name", FEEDBACK)
def test_the_weighted_energy(name: str) -> None:
    network, reference = load(name)
    (block,) = network.blocks
    energy = block.core.energy
    assert energy.layer_weights == pytest.approx(
        reference.description["blocks"][0]["energy_weights"], rel=1e-12
    )
    drives = [reference["drive/block0/layer0"]]
    state = [reference[f"free/block0/layer{i}"] for i in range(len(energy.layers))]
    assert_close(
        energy.energy(state, drives).detach(), reference["free_energy/energy"], ENERGIES, "energy"
    )
    assert_close(energy.phi(state, drives).detach(), reference["free_energy/phi"], ENERGIES, "phi")


# The reference moves even layers together, then odd ones. In the graph with a skip coupling two
# even layers are coupled, which `asynchronous` never moves together.
@pytest.mark.parametrize(
    ("name", "order"),
    [
        (name, order)
        for name in FEEDBACK
        for order in ("asynchronous", "forward", "synchronous")
        if (name, order) != ("feedback_skip", "asynchronous")
    ],
)
@pytest.mark.parametrize("scaled", [True, False], ids=["as_given", "feedback_1"])
def test_sweeps_to_rest(name: str, order: str, scaled: bool) -> None:
    """The change of the sweep before the count is above 1e-10, and that of the count below.

    With feedback below 1 the block comes to rest in fewer sweeps.
    """
    text = (HERE / f"{name}.ffe").read_text().replace("asynchronous", order)
    if not scaled:
        text = "\n".join(line.partition("{ feedback")[0] for line in text.splitlines())
    network, reference = load(name, text)
    expected = reference[f"sweeps/{'as_given' if scaled else 'feedback_1'}/{order}"]
    # Of a sample that never comes to rest the count in the file is 1.
    for n in torch.nonzero(expected > 1).flatten():
        before, at = (residual(network, reference, int(n), int(expected[n]) + k) for k in (-1, 0))
        assert at < 1e-10 < before
        if scaled:
            history = reference[f"history/{order}"][:, n]
            assert before == pytest.approx(float(history[expected[n] - 2]), rel=1e-3)


def residual(network: HybridNetwork, reference: Reference, sample: int, sweeps: int) -> float:
    """The relative change that the last of so many sweeps makes of a sample."""
    (block,) = network.blocks
    free = replace(block.core.settings.free, sweeps=sweeps, tolerance=0.0)
    rows = slice(sample, sample + 1)
    with torch.no_grad():
        network(
            reference["x"][rows],
            reference["y"][rows],
            settings={"b0": replace(block.core.settings, free=free)},
        )
    return float(network.phases()[0].residual)


@pytest.mark.parametrize("name", AEP)
@pytest.mark.parametrize("variant", ["centered", "positive"])
@pytest.mark.parametrize("beta", [0.05, 0.01])
@pytest.mark.parametrize("way", ["aep", "vector_field"])
def test_asymmetric_couplings(name: str, variant: str, beta: float, way: str) -> None:
    """``vector_field`` is EP, whose nudged phases lack the correction."""
    network, reference = load(name)
    ep = EquilibriumPropagation(beta, variant)
    outcome = Outcome(network, reference, AsymmetricPropagation(ep) if way == "aep" else ep)
    for report, sign in zip(outcome.reports[1:], ("plus", "minus"), strict=False):
        outcome.assert_states(report, f"nudged/{way}/beta{beta}/{sign}")
    outcome.assert_gradients(f"grad_est/{way}/{variant}/beta{beta}")
