"""SpecIR -> .ffe text, statement by statement, each with the part of the IR that it states.

What is left out is what the compiler fills in by itself: defaults, the output count of a
coupling's last weight, and in a block what the model states already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ffebm_dsl.language.ir.model import (
    BlockIR,
    CallIR,
    CouplingIR,
    FeedforwardIR,
    ModelIR,
    OpIR,
    RelaxIR,
    SpecIR,
    TrainIR,
)
from ffebm_dsl.language.ir.resolve.bind import changed
from ffebm_dsl.language.registry import (
    CONNECTIONS,
    OPS,
    PHASES,
    TABLES,
    TRAIN,
    Construct,
    Kind,
    Parameter,
    SameAs,
)


class Statement(NamedTuple):
    """A line of text. ``pointer`` (RFC 6901) says where in the plain data of the IR it is
    stated: ``/model/stages/0/layers/1``."""

    text: str
    pointer: str


def statements(spec: SpecIR) -> Iterator[Statement]:
    """The lines of a text that compiles to ``spec``, but for the values of its params."""
    yield Statement(f"ffe {spec.version}", "/version")
    for i, package in enumerate(spec.packages):
        yield Statement(f"use {package.name} >= {package.least}", f"/packages/{i}")
    yield from _model(spec.model)
    if spec.train is not None:
        yield from _train(spec.train)


def _model(model: ModelIR) -> Iterator[Statement]:
    yield Statement(f"model {model.name} {{", "/model/name")
    sizes = ", ".join(map(str, model.input.shape))
    yield Statement(f"input {model.input.name}: {model.input.kind}({sizes})", "/model/input")
    kind = f"{model.target.kind}({model.target.size})"
    yield Statement(f"target {model.target.name}: {kind}", "/model/target")
    yield from _init(model.init, CallIR("default"), "/model")
    stages = [(stage, f"/model/stages/{i}") for i, stage in enumerate(model.stages)]
    # What the first block says, the model says for all of them.
    first = next(((b, at) for b, at in stages if isinstance(b, BlockIR)), None)
    if first:
        yield from _settings(first[0], None, first[1])
    for stage, at in stages:
        if isinstance(stage, BlockIR):
            yield from _block(stage, first[0] if first else None, model.init, at)
        else:
            yield _map("feedforward", stage, at)
    yield from _readout_and_loss(model)
    yield Statement("}", "/model")


def _readout_and_loss(model: ModelIR) -> Iterator[Statement]:
    """A readout of the reserved name stands for none."""
    prediction = model.readout.name
    if prediction == "readout":
        prediction = _port(model.readout.source)
    else:
        yield _map("readout", model.readout, "/model/readout")
    yield Statement(f"loss = {model.loss.name}({prediction}, {model.target.name})", "/model/loss")


def _port(name: str, block: str = "") -> str:
    """A port of the IR as a text names it, in the block of that name or outside of any."""
    owner, _, member = name.partition(".")
    if owner == block:
        return member or owner
    return owner if member == "out" else name


def _map(keyword: str, map_: FeedforwardIR, at: str, block: str = "") -> Statement:
    ops = [f" |> {_call(op, 'ops')}" for op in map_.ops]
    return Statement(f"{keyword} {map_.name} = {_port(map_.source, block)}{''.join(ops)}", at)


def _block(block: BlockIR, common: BlockIR | None, init: CallIR, at: str) -> Iterator[Statement]:
    yield Statement(f"block {block.name} {{", at)
    for i, map_ in enumerate(block.feedforwards):
        yield _map("feedforward", map_, f"{at}/feedforwards/{i}", block.name)
    yield Statement(f"energy {block.energy} {{", f"{at}/energy")
    for i, layer in enumerate(block.layers):
        shape = ", ".join(map(str, layer.shape))
        text = f"layer {layer.name}: [{shape}] {_call(layer.activation, 'activations')}"
        yield Statement(text, f"{at}/layers/{i}")
    for i, drive in enumerate(block.drives):
        ends = f"{_port(drive.source, block.name)} -> {drive.layer}{_ops(drive.ops)}"
        yield Statement(f"{ends}{_options(drive.settings, 'drive')}", f"{at}/drives/{i}")
    for i, coupling in enumerate(block.couplings):
        yield Statement(_coupling(coupling), f"{at}/couplings/{i}")
    yield Statement("}", at)
    for i, output in enumerate(block.outputs):
        name = "" if output.name == "out" else f" {output.name}"
        yield Statement(f"out{name} = {output.layer}", f"{at}/outputs/{i}")
    yield from _settings(block, common, at)
    yield from _init(block.init, init, at)
    yield Statement("}", at)


def _coupling(coupling: CouplingIR) -> str:
    ends = f"{coupling.source} <-> {coupling.target}{_ops(coupling.ops)}"
    return ends + _options(coupling.settings, "coupling")


def _options(settings: Mapping[str, Any], connection: str) -> str:
    """The settings that are not as by default, between braces."""
    construct = CONNECTIONS[connection]
    stated = [
        f"{name} = {_argument(value, construct.parameter(name))}"
        for name, value in changed(construct, settings).items()
    ]
    return f" {{ {'  '.join(stated)} }}" if stated else ""


def _ops(ops: tuple[OpIR, ...]) -> str:
    """The ops between a layer and what it is joined to, which gives the last weight's size."""
    last = max((i for i, op in enumerate(ops) if OPS[op.name].counted), default=-1)
    calls = [
        _call(op, "ops", (OPS[op.name].counted,) if i == last else ()) for i, op in enumerate(ops)
    ]
    return f" : {' |> '.join(calls)}" if calls else ""


def _settings(block: BlockIR, common: BlockIR | None, at: str) -> Iterator[Statement]:
    """How a block relaxes and learns, where that is not what ``common`` states, or the default."""
    for phase in PHASES:
        before = getattr(common, phase) if common else None
        keys = list(_relax_keys(getattr(block, phase), before, PHASES[phase]))
        if keys:
            yield Statement(f"relax {phase} {{ {'  '.join(keys)} }}", f"{at}/{phase}")
    if common is None or block.gradient != common.gradient:
        yield Statement(f"gradient {_call(block.gradient, 'gradients')}", f"{at}/gradient")


def _relax_keys(relax: RelaxIR, before: RelaxIR | None, phase: Construct) -> Iterator[str]:
    for parameter in phase.parameters:
        value = getattr(relax, parameter.name)
        if before is None and _is_default(value, parameter, {}):
            continue
        if value != getattr(before, parameter.name, None):
            yield f"{parameter.name} = {_argument(value, parameter)}"


def _init(init: CallIR, before: CallIR, at: str) -> Iterator[Statement]:
    if init != before:
        yield Statement(f"init {_call(init, 'initialisers')}", f"{at}/init")


def _train(train: TrainIR) -> Iterator[Statement]:
    yield Statement("train {", "/train")
    for parameter in TRAIN.parameters:
        value = getattr(train, parameter.name)
        if not _is_default(value, parameter, {}):
            text = f"{parameter.name} = {_argument(value, parameter)}"
            yield Statement(text, f"/train/{parameter.name}")
    yield Statement("}", "/train")


def _call(call: CallIR, table: str, inferred: Sequence[str] = ()) -> str:
    """``conv2d(32, kernel=3)``: without arguments that have their default or are ``inferred``.

    A required argument at the head stands without its name.
    """
    stated = _stated(TABLES[table][call.name].parameters, call.arguments, inferred)
    return f"{call.name}({', '.join(stated)})"


def _stated(
    parameters: Iterable[Parameter], arguments: Mapping[str, Any], inferred: Sequence[str]
) -> Iterator[str]:
    for position, parameter in enumerate(parameters):
        value = arguments[parameter.name]
        if parameter.name in inferred or _is_default(value, parameter, arguments):
            continue
        text = _argument(value, parameter)
        yield text if parameter.required and position == 0 else f"{parameter.name}={text}"


def _is_default(value: Any, parameter: Parameter, arguments: Mapping[str, Any]) -> bool:
    default = parameter.default
    if isinstance(value, CallIR):
        # The default of a call is an entry's name, with that entry's own defaults.
        inside = TABLES[parameter.table][value.name].parameters
        return value.name == default and not list(_stated(inside, value.arguments, ()))
    return bool(value == (arguments[default.parameter] if isinstance(default, SameAs) else default))


def _argument(value: Any, parameter: Parameter) -> str:
    """A value as a text writes it; only a string has quotes."""
    match parameter.kind:
        case Kind.CALL:
            return _call(value, parameter.table)
        case Kind.CALLS:
            return f"[{', '.join(_call(call, parameter.table) for call in value)}]"
        case Kind.REALS:
            return f"[{', '.join(map(repr, value))}]"
        case Kind.BOOL:
            return "true" if value else "false"
        case Kind.STRING:
            return f'"{value}"'
        case Kind.INT | Kind.REAL:
            return value if isinstance(value, str) else repr(value)
        case _:
            return str(value)
