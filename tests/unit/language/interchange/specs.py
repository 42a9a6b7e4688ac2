"""Random resolved specs: every entry of the registries with random arguments."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import BlockIR, CallIR, RelaxIR, SpecIR
from ffebm_dsl.language.ir.resolve.bind import fill_defaults
from ffebm_dsl.language.ir.resolve.scope import out_of_range
from ffebm_dsl.language.registry import (
    ACTIVATIONS,
    AUGMENTATIONS,
    ENERGIES,
    GRADIENTS,
    ORDERS,
    TABLES,
    Kind,
    Parameter,
)
from ffebm_dsl.language.registry.parameters import Share

TEXT = """ffe 1.1
model m {
  input  x: image(1, 8, 8)
  target y: label(10)
  feedforward h = x |> flatten()
  block b1 {
    feedforward u = h |> linear(6)
    energy hopfield {
      layer s1: [6] tanh
      layer s2: [4] relu
      u  ->  s1
      s1 <-> s2 : linear()
      s1 <-> s2 : linear(5) |> linear(bias=false)
    }
    out      = s2
    out wide = s1
  }
  block b2 {
    feedforward u = b1.wide |> linear(3)
    energy hopfield {
      layer s: [3] identity
      u -> s
    }
    out = s
  }
  readout logits = b2 |> linear(10)
  readout aux = b1.wide |> linear(10)
  loss = cross_entropy(logits, y) + 0.3 * mse(aux, y) + cross_entropy(logits, y)
}
train {
  data      = digits()
  optimizer = adam()
  epochs    = 1
}
"""
BASE: SpecIR = compile_spec(SourceFile("base.ffe", TEXT)).spec


def number(draw: st.DrawFn, parameter: Parameter, whole: bool) -> int | float:
    low, high = max(parameter.bounds.low, -1e6), min(parameter.bounds.high, 1e6)
    if whole:
        return draw(st.integers(math.ceil(low), math.floor(high)))
    limits = {"exclude_min": parameter.bounds.open_low, "exclude_max": parameter.bounds.open_high}
    values = reals(low, high, **limits)
    return draw(
        values.map(lambda v: float(round(v))) if isinstance(parameter.bounds, Share) else values
    )


def reals(low: float, high: float, **limits: bool) -> st.SearchStrategy[float]:
    """Those that a spec may state: not too close to 0."""
    return st.floats(low, high, allow_nan=False, **limits).filter(lambda v: not out_of_range(v))


def value(draw: st.DrawFn, parameter: Parameter) -> Any:
    match parameter.kind:
        case Kind.INT | Kind.REAL:
            return number(draw, parameter, parameter.kind is Kind.INT)
        case Kind.BOOL:
            return draw(st.booleans())
        case Kind.CHOICE:
            return draw(st.sampled_from(parameter.choices))
        case Kind.STRING:
            return draw(st.sampled_from(("a.npz", "é/# b.h5", "x y.npz")))
        case Kind.REALS:
            return (number(draw, parameter, whole=False),)
        case Kind.CALLS:
            return tuple(call(draw, parameter.table) for _ in range(draw(st.integers(0, 2))))
        case Kind.CALL:
            return call(draw, parameter.table)
        case Kind.PART:
            return draw(st.sampled_from(("b1", "b2.u", "readout")))
    raise AssertionError(f"no random value of kind {parameter.kind}")


def call(draw: st.DrawFn, table: str, *names: str) -> CallIR:
    signature = TABLES[table][draw(st.sampled_from(names or [*TABLES[table].visible()]))]
    arguments = {p.name: value(draw, p) for p in signature.parameters}
    if signature.conflict(arguments) is not None:
        needed = {p.name: arguments[p.name] for p in signature.parameters if p.required}
        arguments = fill_defaults(signature, needed)
    return CallIR(signature.name, arguments)


def relax(draw: st.DrawFn, before: RelaxIR) -> RelaxIR:
    noise = draw(st.sampled_from(((), (CallIR("read", {"deviation": 0.04}),))))
    return replace(
        before,
        # One sweep would not carry the input through two layers: FFE4008.
        sweeps=draw(st.integers(2, 99)),
        tolerance=draw(reals(0, 1)),
        order=draw(st.sampled_from(ORDERS)),
        damping=draw(st.sampled_from((0.0, 0.25))),
        over_relaxation=1.0 if noise else draw(st.sampled_from((1.0, 1.3))),
        routing=call(draw, "routings"),
        solver=CallIR("plain", {}) if noise else call(draw, "solvers"),
        noise=noise,
    )


def activation(draw: st.DrawFn, block: BlockIR) -> CallIR:
    """One that the block's energy takes."""
    found, refuses = call(draw, "activations"), ENERGIES[block.energy].refuses
    made = ACTIVATIONS[found.name].make(**found.arguments)
    return CallIR("identity") if refuses is not None and refuses(made) else found


def block(draw: st.DrawFn, before: BlockIR) -> BlockIR:
    layers = tuple(replace(la, activation=activation(draw, before)) for la in before.layers)
    gradient = call(draw, "gradients")
    if gradient.arguments.get("nudge") == "loss":  # allowed in the last block alone
        gradient = CallIR("ep", {**gradient.arguments, "nudge": "cotangent"})
    if gradient.arguments.get("points"):  # for smooth activations, which are drawn as well
        gradient = CallIR("ep", {**gradient.arguments, "points": 0})
    nudged = relax(draw, before.nudged)
    if not GRADIENTS[gradient.name].nudges:
        nudged = replace(nudged, noise=())
    return replace(
        before,
        layers=layers,
        free=relax(draw, before.free),
        nudged=nudged,
        gradient=gradient,
        init=call(draw, "initialisers"),
    )


@st.composite
def specs(draw: st.DrawFn) -> SpecIR:
    stages = tuple(
        block(draw, stage) if isinstance(stage, BlockIR) else stage for stage in BASE.model.stages
    )
    assert BASE.train is not None
    data = call(draw, "data", "digits", "npz", "hdf5")
    fitting = [
        c
        for c in data.arguments["augment"]
        if AUGMENTATIONS[c.name].misfit_of(c.arguments, [end.shape for end in BASE.model.inputs])
        is None
    ]
    # One that mixes samples comes last, alone of its sort.
    mixing = [c for c in fitting if AUGMENTATIONS[c.name].mix is not None]
    fitting = [c for c in fitting if c not in mixing] + mixing[:1]
    train = replace(
        BASE.train,
        data=replace(data, arguments={**data.arguments, "augment": tuple(fitting)}),
        schedule=call(draw, "schedules"),
        on_bad_step=call(draw, "policies"),
        epochs=draw(st.integers(1, 9)),
        seed=draw(st.integers(0, 9)),
    )
    init = call(draw, "initialisers")
    return replace(
        BASE,
        model=replace(BASE.model, stages=stages, init=init),
        train=draw(st.sampled_from((train, None))),
    )
