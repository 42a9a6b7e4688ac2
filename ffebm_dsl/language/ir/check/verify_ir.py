"""Is a resolved network one that a text could state? For IR that was edited or made by hand.

What the compiler makes passes. It is for what comes by another way, such as
``dataclasses.replace``: everything that is stated twice in an IR, above all shapes, must agree.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod
from typing import Any, TypeVar

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.diagnostics.fix import did_you_mean
from ffebm_dsl.language.ir.check.shapes import apply_op
from ffebm_dsl.language.ir.model import (
    BlockIR,
    CallIR,
    FeedforwardIR,
    ModelIR,
    OpIR,
    Shape,
    SpecIR,
    TargetIR,
)
from ffebm_dsl.language.ir.tools.places import op_names
from ffebm_dsl.language.registry import (
    CONNECTIONS,
    ENERGIES,
    INPUTS,
    LOSSES,
    OPS,
    PHASES,
    TABLES,
    TARGETS,
    TRAIN,
    Construct,
    Kind,
    Misfit,
    Parameter,
    Table,
    show_shape,
)

Ports = dict[str, Shape]
"""The shape of every port that was written so far."""


def verify(spec: SpecIR) -> None:
    """Raise if the IR contradicts itself or names what there is not.

    Raises:
        InputError: with the place, such as ``b1.s1_s2.conv2d``, and both shapes.
    """
    model = spec.model
    ports = _input(model)
    _unique("a stage", model.name, (stage.name for stage in model.stages))
    for stage in model.stages:
        if isinstance(stage, BlockIR):
            _verify_block(stage, ports)
        else:
            ports[stage.name] = _verify_map(stage, stage.name, ports)
    _verify_nudge(model)
    _unique("a readout", model.name, (readout.name for readout in model.readouts))
    predictions = {
        readout.name: _verify_map(readout, "readout" if k == 0 else readout.name, ports)
        for k, readout in enumerate(model.readouts)
    }
    _verify_losses(model, predictions)
    verify_call(model.init, "initialisers", f"{model.name}.init")
    if spec.train is not None:
        values = {name: getattr(spec.train, name) for name in TRAIN.names}
        verify_values(TRAIN, values, "train")


def _input(model: ModelIR) -> Ports:
    kind, shape = known(INPUTS, model.input.kind, model.input.name), model.input.shape
    if len(kind.names) != len(shape):
        message = f"`{kind.name}` has {len(kind.names)} sizes, and the shape is {show_shape(shape)}"
        raise fault(model.input.name, message)
    verify_values(kind, dict(zip(kind.names, shape, strict=True)), model.input.name)
    target = known(TARGETS, model.target.kind, model.target.name)
    verify_values(target, {"size": model.target.size}, model.target.name)
    return {model.input.name: shape}


def _verify_map(map_: FeedforwardIR, place: str, ports: Ports) -> Shape:
    """The shape of the map's result."""
    source = _read(ports, map_.source, place)
    _equal(place, "is stated to take", map_.in_shape, f"`{map_.source}` has", source)
    result = _verify_chain(map_.ops, source, place)
    _equal(place, "is stated to give", map_.out_shape, "its ops give", result)
    return result


def _verify_chain(ops: Iterable[OpIR], shape: Shape, place: str) -> Shape:
    """The shape behind the ops, each between the shapes that its rule gives."""
    ops = tuple(ops)
    for name, op in zip(op_names(op.name for op in ops), ops, strict=True):
        at = f"{place}.{name}"
        verify_call(op, "ops", at)
        _equal(at, "is stated to take", op.in_shape, "it is given", shape)
        fit = apply_op(op.name, op.arguments, shape)
        if isinstance(fit, Misfit):
            raise fault(at, fit.message, fit.help)
        _equal(
            at, "is stated to give", op.out_shape, f"from {show_shape(shape)} it gives", fit.shape
        )
        shape = fit.shape
    return shape


def _verify_block(block: BlockIR, ports: Ports) -> None:
    """``ports`` learns the outputs."""
    for map_ in block.feedforwards:
        port = f"{block.name}.{map_.name}"
        ports[port] = _verify_map(map_, port, ports)
    known(ENERGIES, block.energy, block.name)
    layers = {layer.name: layer.shape for layer in block.layers}
    for layer in block.layers:
        verify_call(layer.activation, "activations", f"{block.name}.{layer.name}")
        if not layer.shape or min(layer.shape) < 1:
            raise fault(f"{block.name}.{layer.name}", f"{show_shape(layer.shape)} is no shape")
    _verify_names(block)
    _verify_couplings(block, layers)
    for drive in block.drives:
        place = f"{block.name}.{drive.name}"
        verify_values(CONNECTIONS["drive"], drive.settings, place)
        shape = _verify_chain(drive.ops, _read(ports, drive.source, place), place)
        for op in drive.ops:
            if not OPS[op.name].in_coupling or OPS[op.name].routed:
                raise fault(place, f"a drive cannot have `{op.name}`")
        layer_shape = _layer(layers, drive.layer, block.name)
        _equal(place, "gives", shape, f"layer `{drive.layer}` has", layer_shape)
    for output in block.outputs:
        ports[f"{block.name}.{output.name}"] = _layer(layers, output.layer, block.name)
    for phase in PHASES:
        relax = getattr(block, phase)
        values = {name: getattr(relax, name) for name in PHASES[phase].names}
        verify_values(PHASES[phase], values, f"{block.name}.{phase}")
    verify_call(block.gradient, "gradients", f"{block.name}.gradient")
    verify_call(block.init, "initialisers", f"{block.name}.init")


def _verify_names(block: BlockIR) -> None:
    for what, parts in (
        ("layer", block.layers),
        ("drive", block.drives),
        ("output", block.outputs),
    ):
        if not parts:
            raise fault(block.name, f"the block has no {what}")
    _unique("a layer", block.name, (layer.name for layer in block.layers))
    couplings, drives = ([part.name for part in p] for p in (block.couplings, block.drives))
    _unique("a coupling or drive", block.name, [*couplings, *drives])
    maps, outputs = ([part.name for part in p] for p in (block.feedforwards, block.outputs))
    _unique("a map or output", block.name, [*maps, *outputs])


def _verify_couplings(block: BlockIR, layers: Mapping[str, Shape]) -> None:
    for coupling in block.couplings:
        place = f"{block.name}.{coupling.name}"
        verify_values(CONNECTIONS["coupling"], coupling.settings, place)
        source = _layer(layers, coupling.source, place)
        target = _layer(layers, coupling.target, place)
        result = _verify_chain(coupling.ops, source, place)
        for op in coupling.ops:
            if not OPS[op.name].in_coupling:
                raise fault(place, f"a coupling cannot have `{op.name}`")
        _equal(place, "gives", result, f"layer `{coupling.target}` has", target)


def _verify_nudge(model: ModelIR) -> None:
    for block in model.blocks:
        outputs = {f"{block.name}.{output.name}" for output in block.outputs}
        by_loss = block.gradient.arguments.get("nudge") == "loss"
        if by_loss and model.auxiliary:
            message = "it is nudged by the loss, which has several readouts"
            raise fault(f"{block.name}.gradient", message)
        if by_loss and model.readout.source not in outputs:
            message = "it is nudged by the loss, which does not read the block"
            raise fault(f"{block.name}.gradient", message)


def _verify_losses(model: ModelIR, predictions: Mapping[str, Shape]) -> None:
    if not model.losses or model.losses[0].readout != model.readout.name:
        raise fault("loss", f"its first term is not of the readout `{model.readout.name}`")
    for term in model.losses:
        if term.readout not in predictions:
            help = did_you_mean(term.readout, predictions)
            raise fault("loss", f"there is no readout `{term.readout}`", help)
        if not (0 <= term.weight < math.inf):
            raise fault("loss", f"the weight of `{term.call.name}` is {term.weight}")
        _verify_loss(term.call, model.target, predictions[term.readout])
    for name in predictions.keys() - {term.readout for term in model.losses}:
        raise fault(name, "no term of the loss reads it")


def _verify_loss(call: CallIR, target: TargetIR, prediction: Shape) -> None:
    loss = known(LOSSES, call.name, "loss")
    verify_values(replace(loss, parameters=loss.settings), call.arguments, "loss")
    if target.kind not in loss.targets:
        wanted = " or ".join(f"`{kind}`" for kind in loss.targets)
        raise fault("loss", f"`{loss.name}` takes a target {wanted}, not a `{target.kind}`")
    fits = prod(prediction) == target.size if loss.flat else prediction == (target.size,)
    if not fits:
        raise fault(
            "loss",
            f"`{loss.name}` compares {show_shape(prediction)} with a target of {target.size}",
        )


def _equal(place: str, stated: str, one: Shape, found: str, other: Shape) -> None:
    if one != other:
        raise fault(place, f"it {stated} {show_shape(one)}, and {found} {show_shape(other)}")


def _read(ports: Ports, name: str, place: str) -> Shape:
    if name not in ports:
        message = f"it reads `{name}`, and nothing before it gives that"
        raise fault(place, message, did_you_mean(name, ports))
    return ports[name]


def _layer(layers: Mapping[str, Shape], name: str, place: str) -> Shape:
    if name not in layers:
        raise fault(place, f"there is no layer `{name}`", did_you_mean(name, layers))
    return layers[name]


def _unique(what: str, place: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise fault(place, f"{what} called `{name}` is there {count} times")


ConstructT = TypeVar("ConstructT", bound=Construct)

_TYPES: Mapping[Kind, type | tuple[type, ...]] = {
    Kind.INT: int,
    Kind.REAL: (int, float),
    Kind.BOOL: bool,
    Kind.STRING: str,
    Kind.CHOICE: str,
    Kind.REALS: tuple,
    Kind.CALL: CallIR,
    Kind.CALLS: tuple,
    Kind.PORT: str,
    Kind.PART: str,
}


def fault(place: str, message: str, help: str = "") -> InputError:
    """The error that something in an IR is wrong at ``place``."""
    return InputError(f"this network contradicts itself at `{place}`: {message}", help=help)


def known(table: Table[ConstructT], name: str, place: str) -> ConstructT:
    """The construct of that name.

    Raises:
        InputError: there is none.
    """
    if name not in table:
        raise fault(place, f"no {table.noun} is called `{name}`", did_you_mean(name, table))
    return table[name]


def verify_call(call: CallIR, table: str, place: str) -> None:
    """Raise InputError unless ``call`` is one that its construct takes, all arguments stated."""
    verify_values(known(TABLES[table], call.name, place), call.arguments, place)


def verify_values(construct: Construct, values: Mapping[str, Any], place: str) -> None:
    """Raise InputError unless these are the construct's arguments, each as its parameter says."""
    for name in values:
        if name not in construct.names:
            message = f"`{construct.name}` has nothing called `{name}`"
            raise fault(place, message, did_you_mean(name, construct.names))
    for parameter in construct.parameters:
        if parameter.name not in values:
            raise fault(place, f"`{construct.name}` needs `{parameter.name}`")
        _verify_value(parameter, values[parameter.name], place)
    conflict = construct.conflict(values)
    if conflict is not None:
        raise fault(place, *conflict)


def _is_of(value: object, kind: Kind) -> bool:
    # To Python a truth value is a number too.
    return isinstance(value, _TYPES[kind]) and isinstance(value, bool) == (kind is Kind.BOOL)


def _verify_value(parameter: Parameter, value: Any, place: str) -> None:
    def wrong(wanted: object) -> InputError:
        return fault(place, f"`{parameter.name}` must be {wanted}, and is {value!r:.60}")

    if parameter.kind in (Kind.INT, Kind.REAL) and value in parameter.choices:
        return
    if not _is_of(value, parameter.kind):
        raise wrong(f"a {parameter.kind}")
    match parameter.kind:
        case Kind.INT | Kind.REAL:
            if not parameter.bounds.admits(value):
                raise wrong(parameter.bounds)
        case Kind.REALS:
            if not all(isinstance(x, float) and parameter.bounds.admits(x) for x in value):
                raise wrong(f"numbers, each {parameter.bounds}")
        case Kind.CHOICE:
            if value not in parameter.choices:
                raise wrong(f"one of {', '.join(parameter.choices)}")
        case Kind.CALL:
            verify_call(value, parameter.table, place)
        case Kind.CALLS:
            for call in value:
                verify_call(call, parameter.table, place)
