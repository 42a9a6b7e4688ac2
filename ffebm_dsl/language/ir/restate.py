"""SpecIR -> .ffe text, statement by statement, each with the part of the IR that it states; and the
check that a text could state an IR that was edited, made by hand, or read from a file.

What is left out of the text is what the compiler fills in by itself: defaults, the output count of
a coupling's last weight, and in a block what the model states already.

An IR is right if its own text compiles to it: the same names and shapes, and the same
arguments, defaults filled in. So the compiler alone says what a network can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ffebm_dsl.language.diagnostics import InputError, Severity, SourceFile, SpecError
from ffebm_dsl.language.ir.check.budget import Budget
from ffebm_dsl.language.ir.lower import NO_READOUT, is_lowered
from ffebm_dsl.language.ir.model import IDEAL, BlockIR, CallIR, FeedforwardIR, ModelIR, OpIR, SpecIR
from ffebm_dsl.language.ir.passes import compile_text
from ffebm_dsl.language.ir.resolve.bind import changed
from ffebm_dsl.language.ir.tools.dump import to_json_dict
from ffebm_dsl.language.ir.tools.notation import (
    assignments,
    connection,
    feedforward_chain,
    written_briefly,
    written_loss,
)
from ffebm_dsl.language.registry import HARDWARE, OPS, PHASES, TRAIN, Construct


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
    for i, device in enumerate(spec.hardware):
        at = f"/hardware/{i}"
        head = f"hardware {device.name}"
        yield from _section(head, HARDWARE, device.arguments, at, f"{at}/arguments")
    yield from _model(spec.model)
    if spec.train is not None:
        yield from _section("train", TRAIN, vars(spec.train), "/train", "/train")


def _model(model: ModelIR) -> Iterator[Statement]:
    yield Statement(f"model {model.name} {{", "/model/name")
    for i, end in enumerate(model.inputs):
        sizes = ", ".join(map(str, end.shape))
        yield Statement(f"input {end.name}: {end.kind}({sizes})", f"/model/inputs/{i}")
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
    yield from _readouts_and_loss(model)
    yield Statement("}", "/model")


def _readouts_and_loss(model: ModelIR) -> Iterator[Statement]:
    """A readout of the reserved name means that there is none."""
    if model.readout.name != NO_READOUT:
        yield _map("readout", model.readout, "/model/readout")
    for i, readout in enumerate(model.auxiliary):
        yield _map("readout", readout, f"/model/auxiliary/{i}")
    names = {readout.name: readout.name for readout in model.readouts}
    if NO_READOUT in names:
        names[NO_READOUT] = _port(model.readout.source)
    yield Statement(f"loss = {written_loss(model, names)}", "/model/losses")


def _port(name: str, block: str = "") -> str:
    """A port of the IR as a text names it, in the block of that name or outside of any."""
    owner, _, member = name.partition(".")
    if owner == block:
        return member or owner
    return owner if member == "out" else name


def _with_port(op: OpIR, block: str) -> OpIR:
    """An op with the port that it reads as a text names it."""
    if op.name not in OPS or not OPS[op.name].joins:
        return op
    port = _port(op.arguments["port"], block)
    return replace(op, arguments={**op.arguments, "port": port})


def _map(keyword: str, map_: FeedforwardIR, at: str, block: str = "") -> Statement:
    ops = [_with_port(op, block) for op in map_.ops]
    chain = [_port(map_.source, block), *([feedforward_chain(ops)] if ops else [])]
    return Statement(f"{keyword} {map_.name} = {' |> '.join(chain)}", at)


def _block(block: BlockIR, common: BlockIR | None, init: CallIR, at: str) -> Iterator[Statement]:
    yield Statement(f"block {block.name} {{", at)
    for i, map_ in enumerate(block.feedforwards):
        yield _map("feedforward", map_, f"{at}/feedforwards/{i}", block.name)
    on = "" if block.hardware == IDEAL else f" on {block.hardware}"
    yield Statement(f"energy {block.energy}{on} {{", f"{at}/energy")
    for i, layer in enumerate(block.layers):
        shape = ", ".join(map(str, layer.shape))
        text = f"layer {layer.name}: [{shape}] {written_briefly(layer.activation, 'activations')}"
        yield Statement(text, f"{at}/layers/{i}")
    for i, drive in enumerate(block.drives):
        text = connection(drive, _port(drive.source, block.name))
        yield Statement(text, f"{at}/drives/{i}")
    for i, coupling in enumerate(block.couplings):
        yield Statement(connection(coupling), f"{at}/couplings/{i}")
    for i, term in enumerate(block.terms):
        text = f"{term.layer} : {written_briefly(term.call, 'terms')}"
        yield Statement(text, f"{at}/terms/{i}")
    yield Statement("}", at)
    for i, output in enumerate(block.outputs):
        name = "" if output.name == "out" else f" {output.name}"
        yield Statement(f"out{name} = {output.layer}", f"{at}/outputs/{i}")
    yield from _settings(block, common, at)
    yield from _init(block.init, init, at)
    yield Statement("}", at)


def _settings(block: BlockIR, common: BlockIR | None, at: str) -> Iterator[Statement]:
    """How a block relaxes and learns, where that is not what ``common`` states, or the default."""
    for phase, construct in PHASES.items():
        values = vars(getattr(block, phase))
        stated = changed(construct, values)
        if common is not None:
            before = vars(getattr(common, phase))
            stated = {key: values[key] for key in construct.names if values[key] != before[key]}
        if stated:
            keys = "  ".join(assignments(construct, stated))
            yield Statement(f"relax {phase} {{ {keys} }}", f"{at}/{phase}")
    if common is None or block.gradient != common.gradient:
        text = f"gradient {written_briefly(block.gradient, 'gradients')}"
        yield Statement(text, f"{at}/gradient")


def _init(init: CallIR, before: CallIR, at: str) -> Iterator[Statement]:
    if init != before:
        yield Statement(f"init {written_briefly(init, 'initialisers')}", f"{at}/init")


def _section(
    head: str, section: Construct, values: Mapping[str, Any], at: str, inside: str
) -> Iterator[Statement]:
    yield Statement(f"{head} {{", at)
    stated = changed(section, values)
    for key, text in zip(stated, assignments(section, stated), strict=True):
        yield Statement(text, f"{inside}/{key}")
    yield Statement("}", at)


# An IR is right if its own text compiles to it ---------------------------------------------


class Contradiction(InputError):
    """An IR that no text states; ``pointer`` (RFC 6901) is the part that is wrong."""

    def __init__(self, pointer: str, message: str, help: str = "") -> None:
        super().__init__(message, help=help)
        self.pointer = pointer


def require_consistent(spec: SpecIR) -> None:
    """Raise if the IR contradicts itself or names what there is not.

    Raises:
        InputError: with the place, such as ``/model/stages/1/couplings/0/ops/0/out_shape``.
    """
    if is_lowered(spec):
        return
    try:
        restate(spec)
    except Contradiction as wrong:
        message = f"this network contradicts itself at `{wrong.pointer}`: {wrong.message}"
        raise InputError(message, help=wrong.help) from None


def restate(spec: SpecIR, budget: Budget | None = None) -> None:
    """Write ``spec`` as text and compile that to the same again, but for the values of params.

    Raises:
        Contradiction: it does not compile, or to something else.
    """
    stated = list(statements(spec))
    source = SourceFile("spec", "\n".join(statement.text for statement in stated))
    try:
        found = compile_text(source, {}, budget).spec
    except SpecError as error:
        first = next(d for d in error.diagnostics if d.severity is Severity.ERROR)
        line, _ = source.position(first.span.start)
        at = stated[min(line, len(stated)) - 1].pointer
        raise Contradiction(at, first.message, first.help) from None
    for pointer, follows in differences(plain(found), plain(spec), ""):
        message = f"this does not follow from the rest, which gives {follows}"
        raise Contradiction(pointer, message)


def plain(spec: SpecIR) -> dict[str, Any]:
    """A spec as plain data, without the values of params, which are resolved away, and without
    the versions of packages that were found."""
    data = to_json_dict(spec)
    del data["parameters"]
    for package in data.get("packages", ()):
        del package["version"]
    return data


def pointer_to(parent: str, key: str | int) -> str:
    """The JSON pointer of an entry of what ``parent`` points to."""
    return f"{parent}/{str(key).replace('~', '~0').replace('/', '~1')}"


def differences(found: Any, stated: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    """Where two plain values differ: the pointer, and what is ``found`` there.

    A pair of equal numbers, for rows and columns, is one number, as in a text.
    """
    if isinstance(found, dict) and isinstance(stated, dict) and found.keys() == stated.keys():
        for key in found:
            yield from differences(found[key], stated[key], pointer_to(pointer, key))
    elif isinstance(found, list) and isinstance(stated, list) and len(found) == len(stated):
        for i, (one, other) in enumerate(zip(found, stated, strict=True)):
            yield from differences(one, other, pointer_to(pointer, i))
    elif found != stated and stated != [found, found]:
        yield pointer, found
