"""Constructs that keep their promises pass; each planted fault fails exactly one promise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.registry import ACTIVATIONS, ENERGIES, OPS, OpConstruct, OpIR
from ffebm_dsl.physics.energy import Energy, HopfieldEnergy
from ffebm_dsl.physics.energy.complex_states import ComplexOp
from ffebm_dsl.physics.energy.hopfield import BoundHopfield
from ffebm_dsl.physics.interfaces import LinearOp, RoutedOp
from ffebm_dsl.tools.checking import broken_promises, check_promises
from ffebm_dsl.tools.checking.energy_promises import energy_promises
from ffebm_dsl.tools.checking.op_promises import op_promises
from ffebm_dsl.tools.checking.promises import Promise, activation_promises
from tests.problems import convolutional_energy, generator, max_pooled_energy, normal
from tests.unit.constructs.everything import installed_packages


def broken(promises: Iterable[Promise]) -> set[str]:
    return {promise.text for promise in promises if not promise.kept}


def altered(thing: Any, **methods: Any) -> Any:
    """An object of a subclass of the thing's class with these methods, and all that it holds."""
    kind = type(thing)
    made = object.__new__(type(f"Altered{kind.__name__}", (kind,), methods))
    made.__dict__.update(thing.__dict__)
    return made


# Activations -----------------------------------------------------------------------------

ACTIVATION_FAULTS: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "potential of another slope": (
        "tanh",
        {"potential": lambda self, s: 1.01 * tanh_potential(s)},
        {"sigma is the inverse of the potential's gradient"},
    ),
    "potential that does not reach the end": (
        "hard_sigmoid",
        # Its gradient is s inside the range, and 1.5 at the upper end.
        {"potential": lambda self, s: torch.where(s < 1, s.square() / 2, 1.5 * s - 1)},
        {"G(s) - v s is least at an end of the range where sigma(v) is that end"},
    ),
    "derivative off by one per cent": (
        "sigmoid",
        {"derivative": lambda self, v: 1.01 * torch.sigmoid(v) * (1 - torch.sigmoid(v))},
        {"derivative() is that of sigma", "derivative() is the slope of the values of sigma"},
    ),
    "values outside of the range": (
        "identity",
        {"range": property(lambda self: (-2.0, 2.0))},
        {
            "the values of sigma are in its range",
            "between the ends of `clip` sigma is linear",
        },
    ),
    "cut off without saying so": (
        "hard_sigmoid",
        {
            "clip": property(lambda self: (float("-inf"), float("inf"))),
            "range": property(lambda self: (0.0, 1.0)),
        },
        {
            "sigma is flat where its state is an end of `clip`, and nowhere else",
            "every kink of sigma is where `kink_distance` is 0",
        },
    ),
    "overwritten by something else": (
        "relu",
        {"overwrite": lambda self, v: v.abs_()},
        {"overwrite() gives sigma"},
    ),
}


def tanh_potential(s: Tensor) -> Tensor:
    return (torch.xlogy(1 + s, 1 + s) + torch.xlogy(1 - s, 1 - s)) / 2


@pytest.mark.parametrize("fault", ACTIVATION_FAULTS)
def test_a_fault_of_an_activation_breaks_that_promise(fault: str) -> None:
    name, methods, expected = ACTIVATION_FAULTS[fault]
    activation = ACTIVATIONS[name].make(slope=1.0)
    assert broken(activation_promises(activation, generator())) == set()
    found = broken(activation_promises(altered(activation, **methods), generator()))
    assert found == expected


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("softmax", {"slope": 1e4}),
        ("shifted_sigmoid", {"slope": 1e6, "center": 0.5}),
        ("shifted_sigmoid", {"slope": 4.0, "center": 10.0}),
        ("shifted_sigmoid", {"slope": 4.0, "center": -1000.0}),
        ("clamp", {"slope": 1.0, "low": -1e-6, "high": 1e-6}),
        ("clipped_relu", {"slope": 1.0, "max": 1e-6}),
        ("holotanh", {"slope": 1e6, "sharpness": 0.1}),
    ],
)
def test_steep_and_shifted_activations_keep_their_promises(
    name: str, arguments: dict[str, float]
) -> None:
    activation = ACTIVATIONS[name].make(**arguments)
    assert broken(activation_promises(activation, generator())) == set()


def test_faults_of_a_shifted_activation_are_found() -> None:
    """Where it rises, far from 0."""
    shifted = ACTIVATIONS["clamp"].make(slope=1.0, low=1000.0, high=1001.0)
    faulty = altered(shifted, derivative=lambda self, v: 1.01 * (self(v) == v))
    found = broken(activation_promises(faulty, generator()))
    assert "derivative() is that of sigma" in found


def test_an_undeclared_kink_is_found() -> None:
    """Leaky, and never cut off: both slopes are right, the kink between them is not declared."""
    leaky = altered(
        ACTIVATIONS["identity"].make(slope=1.0),
        quadratic=False,
        holomorphic=False,
        __call__=lambda self, v: torch.where(v > 0, v, v / 2),
        overwrite=lambda self, v: self(v),
        derivative=lambda self, v: torch.where(v > 0, 1.0, 0.5).to(v.dtype),
        potential=lambda self, s: torch.where(s > 0, s.square() / 2, s.square()),
    )
    found = broken(activation_promises(leaky, generator()))
    assert found == {"every kink of sigma is where `kink_distance` is 0"}


# Ops -------------------------------------------------------------------------------------


def made(name: str, shape: tuple[int, ...], **arguments: Any) -> Any:
    """The coupling half of an op between the shapes that its rule gives."""
    construct = OPS[name]
    fit = construct.shape(arguments, shape)
    assert construct.coupling is not None
    return construct.coupling(OpIR(name, arguments, shape, fit.shape))  # type: ignore[union-attr]


def drawn(op: LinearOp) -> dict[str, Tensor]:
    shapes = op.weight_shapes() if isinstance(op, LinearOp) else {}
    return {name: normal(*shape, seed=k) for k, (name, shape) in enumerate(shapes.items())}


def dense() -> Any:
    return made("linear", (6,), out_features=4, bias=True)


def pooling() -> Any:
    return made("max_pool2d", (2, 6, 6), kernel=2, stride=2, padding=0)


def shifted(x: Tensor) -> Tensor:
    return x + x.roll(1, 0)


TRANSPOSE = "the adjoint is the transpose of the tangent"
LINEAR_FAULTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "adjoint one per cent too large": (
        {"adjoint": lambda self, y, w: 1.01 * (y @ w["weight"])},
        {TRANSPOSE, "the adjoint is differentiable by `weight`"},
    ),
    "adjoint that detaches its weight": (
        {"adjoint": lambda self, y, w: y @ w["weight"].detach()},
        {"the adjoint is differentiable by `weight`"},
    ),
    "tangent with the bias": (
        {"tangent": lambda self, x, w: x @ w["weight"].t() + w["bias"]},
        {TRANSPOSE, "the tangent is linear", "the forward pass is the tangent plus a bias"},
    ),
    "tangent that detaches its weight": (
        {"tangent": lambda self, x, w: x @ w["weight"].detach().t()},
        {"the tangent is differentiable by `weight`"},
    ),
    "weight gradient of the mean": (
        {"weight_gradient": lambda self, x, y, w: {"weight": y.t() @ x / len(x)}},
        {"weight_gradient() of `weight` is the gradient of the forward pass"},
    ),
    "weight gradient of another name": (
        {"weight_gradient": lambda self, x, y, w: {"kernel": y.t() @ x}},
        {"weight_gradient() of `weight` is the gradient of the forward pass"},
    ),
    "bias gradient of one sample": (
        {"bias_gradient": lambda self, y: y[0]},
        {"bias_gradient() is the gradient of the forward pass"},
    ),
    "shape that does not come out": (
        {"forward": lambda self, x, w: x},
        {"the result has the shape `out_shape`"},
    ),
    "packing that forgets the weight": (
        {
            "packed": lambda self, w, batch: LinearOp.packed(
                self, {**w, "weight": 2 * w["weight"]}, batch
            )
        },
        {
            f"the packed op has the same {what}"
            for what in ("forward pass", "tangent", "adjoint", "adjoint onto a sum")
        },
    ),
}


@pytest.mark.parametrize("fault", LINEAR_FAULTS)
def test_a_fault_of_a_linear_op_breaks_that_promise(fault: str) -> None:
    methods, expected = LINEAR_FAULTS[fault]
    op = dense()
    assert broken(op_promises(op, drawn(op), generator())) == set()
    assert broken(op_promises(altered(op, **methods), drawn(op), generator())) == expected


def test_an_op_that_mixes_samples_breaks_promises() -> None:
    op = dense()
    mixing = altered(
        op,
        forward=lambda self, x, w: shifted(x) @ w["weight"].t() + w["bias"],
        tangent=lambda self, x, w: shifted(x) @ w["weight"].t(),
    )
    assert "a sample's result does not depend on the others" in broken(
        op_promises(mixing, drawn(op), generator())
    )


MAX_POOL = type(pooling())
ROUTED_FAULTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "tangent at the routing of its own": (
        {"tangent": lambda self, x, routing: self.forward(x)[0]},
        {TRANSPOSE, "the tangent is linear at a routing"},
    ),
    "adjoint one per cent too large": (
        {"adjoint": lambda self, y, r, out=None: MAX_POOL.adjoint(self, 1.01 * y, r, out)},
        {TRANSPOSE, "the adjoint is the gradient of the forward pass"},
    ),
    "adjoint that adds to what is there": (
        {
            "adjoint": lambda self, y, r, out=None: (
                MAX_POOL.adjoint(self, y, r) + (0 if out is None else out)
            )
        },
        {"the adjoint into a given tensor is the adjoint"},
    ),
    "tangent twice as large": (
        {"tangent": lambda self, x, r: 2 * MAX_POOL.tangent(self, x, r)},
        {TRANSPOSE, "the tangent at its own routing is the forward pass"},
    ),
}


@pytest.mark.parametrize("fault", ROUTED_FAULTS)
def test_a_fault_of_a_routed_op_breaks_that_promise(fault: str) -> None:
    methods, expected = ROUTED_FAULTS[fault]
    op = pooling()
    assert isinstance(op, RoutedOp)
    assert broken(op_promises(op, {}, generator())) == set()
    assert broken(op_promises(altered(op, **methods), {}, generator())) == expected


def test_an_op_that_raises_is_told_of_with_its_error() -> None:
    def refuse(self: LinearOp, y: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        raise RuntimeError("no transpose here")

    op = altered(dense(), adjoint=refuse)
    details = {p.text: p.detail for p in op_promises(op, drawn(op), generator()) if not p.kept}
    assert details[TRANSPOSE] == "RuntimeError: no transpose here"


# Energies --------------------------------------------------------------------------------

FIELD = "the pre-activation is the gradient of phi"
SWEEPS = {
    "the dynamics move each layer where step() says by the gradient of phi",
    "the dynamics do so from the zero state",
}
REPEATED = "a repeated batch has the same pre-activations"
CONTRAST = "contrast() is the difference of phi's gradients"
RESPONSE = "response_gradient() is the mixed derivative"
CONJUGATES = "contrast() of complex states conjugates nothing"
CONTINUED = "complex dynamics continue the real ones"
RECORDED = "differentiable() records the pre-activation for autograd"


def of_energy(energy: Energy) -> set[str]:
    return broken(energy_promises(energy, [(2, 6, 6)], generator()))


def with_term(term: Callable[[Any], Tensor]) -> Energy:
    """An energy whose phi has a further term that its closed forms do not know."""

    class Forgetful(HopfieldEnergy):
        def phi(self, state: Any, drives: Any) -> Tensor:
            return super().phi(state, drives) + term(state)

        def bind(self, *args: Any, **kwargs: Any) -> BoundHopfield:
            return super().bind(*args, **kwargs)

    energy = convolutional_energy()
    energy.__class__ = Forgetful
    return energy


@pytest.mark.parametrize("energy", [convolutional_energy, max_pooled_energy])
def test_an_energy_with_closed_forms_keeps_its_promises(energy: Callable[[], Energy]) -> None:
    assert of_energy(energy()) == set()


def test_an_energy_that_is_differentiated_keeps_its_promises() -> None:
    plain = convolutional_energy()

    class OnlyPhi(Energy):
        def __init__(self) -> None:
            super().__init__(plain.layers)
            self.plain = plain

        def phi(self, state: Any, drives: Any) -> Tensor:
            return self.plain.phi(state, drives)

    assert of_energy(OnlyPhi()) == set()


def test_a_term_that_bind_ignores_is_caught() -> None:
    energy = with_term(lambda state: 0.1 * state[1].square().flatten(1).sum(1))
    found = of_energy(energy)
    assert {FIELD, REPEATED} | SWEEPS <= found
    assert "the adjoint dynamics are linearised at the state" in found
    assert CONTRAST not in found, "the term has no weights"


def test_a_phi_over_the_batch_is_caught() -> None:
    energy = with_term(lambda state: (state[2] * state[2].sum(0)).sum(1))
    assert "a sample's phi does not depend on the others" in of_energy(energy)
    summed = with_term(lambda state: state[0].sum())
    summed.phi = lambda state, drives: state[0].sum()  # type: ignore[method-assign]
    assert of_energy(summed) == {"phi gives one number per sample"}


def test_an_energy_that_is_not_the_potentials_less_phi_is_caught() -> None:
    energy = convolutional_energy()
    energy.energy = lambda state, drives: -energy.phi(state, drives)  # type: ignore[method-assign]
    assert of_energy(energy) == {"the energy is the sum of the potentials less phi"}


BOUND_FAULTS: dict[str, tuple[str, Callable[[Any], Any], set[str]]] = {
    "contrast scaled": (
        "contrast",
        lambda right: (
            lambda self, states, scales, routings: right(
                self, states, [1.01 * s for s in scales], routings
            )
        ),
        {CONTRAST, CONJUGATES},
    ),
    "half of the mixed derivative": (
        "response_gradient",
        lambda right: (
            lambda self, state, response, scale, routings: right(
                self, state, response, scale / 2, routings
            )
        ),
        {RESPONSE},
    ),
    "fields of one copy too few": (
        "repeated",
        lambda right: lambda self, copies: replace_drives(right(self, copies)),
        {REPEATED},
    ),
    "detached weights": (
        "differentiable",
        lambda right: lambda self: detached(right(self)),
        {RECORDED},
    ),
}


def replace_drives(bound: BoundHopfield) -> BoundHopfield:
    bound.fields = {i: torch.zeros_like(v) for i, v in bound.fields.items()}
    return bound


def detached(bound: BoundHopfield) -> BoundHopfield:
    weights = {name: w.detach() for name, w in bound.weights.items()}
    other = BoundHopfield(bound.energy, bound.drives, weights, graph=True)
    other.weights = bound.weights
    return other


@pytest.mark.parametrize("fault", BOUND_FAULTS)
def test_a_fault_of_a_bound_energy_breaks_that_promise(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, wrong, expected = BOUND_FAULTS[fault]
    monkeypatch.setattr(BoundHopfield, method, wrong(getattr(BoundHopfield, method)))
    assert of_energy(convolutional_energy()) == expected


@pytest.mark.parametrize(
    ("method", "wrong", "expected"),
    [
        ("weight_gradient", lambda right: lambda op, x, y: right(op, x.conj(), y), CONJUGATES),
        ("adjoint", lambda right: lambda op, y: right(op, y.conj()), CONTINUED),
    ],
)
def test_a_conjugate_in_complex_phases_is_caught(
    method: str, wrong: Callable[[Any], Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ComplexOp, method, wrong(getattr(ComplexOp, method)))
    assert expected in of_energy(convolutional_energy())


def test_the_adjoint_of_another_state_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = BoundHopfield.adjoint
    monkeypatch.setattr(
        BoundHopfield,
        "adjoint",
        lambda self, state, cotangent, routings: right(
            self, [0.5 * s for s in state], cotangent, routings
        ),
    )
    assert of_energy(convolutional_energy()) == {"the adjoint dynamics are linearised at the state"}


# A spec ----------------------------------------------------------------------------------

SPEC = """ffe 1.0
model m {
  input  x: vector(6)
  target y: label(3)
  block b {
    feedforward u = x |> linear(5)
    energy hopfield {
      layer s1: [5] tanh
      layer s2: [4] tanh
      layer s3: [4] identity
      u  ->  s1
      s1 <-> s2 : linear()
      s2 <-> s3 : linear(3) |> linear()
    }
    out = s3
  }
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}
"""


def diagnostics(text: str = SPEC) -> list[tuple[str, str, int]]:
    """Code, the construct that is named, and the line."""
    compiled = compile_spec(SourceFile("m.ffe", text))
    rows = check_promises(compiled.spec)
    return [
        (d.code, d.message.split("`")[1], d.source.position(d.span.start)[0])
        for d in broken_promises(rows, compiled.source, compiled.places)
    ]


def patched(table: Any, monkeypatch: pytest.MonkeyPatch, construct: Any) -> None:
    monkeypatch.setattr(table, "_read", {**table._read, construct.name: construct})


def test_the_numbers_depend_on_the_seed_alone() -> None:
    """Not on what else has drawn from torch's generator, which they leave as it is."""
    spec = compile_spec(SourceFile("m.ffe", SPEC)).spec
    rows = []
    for state in (1, 2):
        torch.manual_seed(state)
        before = torch.random.get_rng_state()
        rows.append([row.to_dict() for row in check_promises(spec)])
        assert torch.equal(before, torch.random.get_rng_state())
    assert rows[0] == rows[1]
    assert rows[0] != [row.to_dict() for row in check_promises(spec, seed=1)]


def test_a_right_spec_has_a_row_for_each_construct() -> None:
    rows = check_promises(compile_spec(SourceFile("m.ffe", SPEC)).spec)
    assert [(row.name, row.place) for row in rows] == [
        ("tanh", "b.s1"),
        ("identity", "b.s3"),
        ("linear", "b.s1_s2.linear"),
        ("linear", "b.s2_s3.linear"),
        ("linear", "b.s2_s3.linear_2"),
        ("hopfield", "b.energy"),
    ]
    assert all(row.promises and not row.broken for row in rows)
    assert diagnostics() == []


def test_a_faulty_op_is_named_at_its_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    right = OPS["linear"]

    def coupling(op: OpIR) -> Any:
        assert isinstance(right, OpConstruct) and right.coupling is not None
        return altered(right.coupling(op), adjoint=lambda self, y, w: 1.01 * (y @ w["weight"]))

    patched(OPS, monkeypatch, replace(right, coupling=coupling))
    assert diagnostics() == [("FFE4007", "linear", line) for line in (12, 13, 13)]


def test_a_faulty_activation_is_named_at_its_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ACTIVATIONS["tanh"]

    def make(**arguments: Any) -> Any:
        return altered(right.make(**arguments), potential=lambda self, s: s.square())

    patched(ACTIVATIONS, monkeypatch, replace(right, make=make))
    assert diagnostics() == [("FFE4007", "tanh", 8)]


def test_a_faulty_energy_is_named_at_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ENERGIES["hopfield"]

    def make(*parts: Any) -> Energy:
        energy = right.make(*parts)
        forgetful = with_term(lambda state: state[0].square().sum(1))
        energy.__class__ = forgetful.__class__
        return energy

    patched(ENERGIES, monkeypatch, replace(right, make=make))
    assert diagnostics() == [("FFE4007", "hopfield", 7)]


def test_a_construct_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ENERGIES["hopfield"]

    def make(*parts: Any) -> Energy:
        energy = right.make(*parts)
        return altered(energy, weights=lambda self: {}["weight"])

    patched(ENERGIES, monkeypatch, replace(right, make=make))
    compiled = compile_spec(SourceFile("m.ffe", SPEC))
    (row,) = (row for row in check_promises(compiled.spec) if row.broken)
    assert row.name == "hopfield" and "KeyError" in row.broken[0].detail


def test_the_package_of_a_faulty_construct_is_named() -> None:
    text = SPEC.replace("ffe 1.0\n", "ffe 1.1\nuse lab-devices >= 0.3\n").replace("tanh", "bent")
    with installed_packages():
        right = ACTIVATIONS["bent"]

        def make(**arguments: Any) -> Any:
            return altered(right.make(**arguments), potential=lambda self, s: s.square())

        ACTIVATIONS._read["bent"] = replace(right, make=make)
        compiled = compile_spec(SourceFile("m.ffe", text))
        rows = check_promises(compiled.spec)
        (found,) = broken_promises(rows, compiled.source, compiled.places)
    assert "the activation `bent` of the package `lab-devices` breaks its promise" in found.message
    assert found.help == "tell its authors"


def test_the_ops_of_a_drive_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    text = SPEC.replace("ffe 1.0", "ffe 1.1").replace("u  ->  s1", "u -> s1 : linear()")
    text = text.replace("|> linear(5)", "|> linear(7)")
    rows = check_promises(compile_spec(SourceFile("m.ffe", text)).spec)
    assert "b.u_s1.linear" in {row.place for row in rows}
    assert not any(row.broken for row in rows)
    right = OPS["linear"]

    def coupling(op: OpIR) -> Any:
        assert right.coupling is not None
        return altered(right.coupling(op), bias_gradient=lambda self, y: y[0])

    patched(OPS, monkeypatch, replace(right, coupling=coupling))
    assert ("FFE4007", "linear", 11) in diagnostics(text)


def test_a_sharp_softmax_pooling_keeps_its_promises() -> None:
    """Its second derivative is larger than its entries by 1/T, and so is what rounding leaves."""
    op = made("softmax_pool2d", (1, 2, 2), kernel=(2, 1), stride=1, padding=0, temperature=0.0625)
    assert broken(op_promises(op, {}, generator())) == set()
