"""Couplings: output counts from their end layers, shapes, and what would make them fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple, TypeVar

from ffebm_dsl.language.diagnostics import Fix, Label, SourceFile
from ffebm_dsl.language.diagnostics.fix import insert
from ffebm_dsl.language.ir.check.op_shapes import Traced, joined, layer_label, report_misfit, trace
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import Shape
from ffebm_dsl.language.ir.resolve.bind import BoundCall
from ffebm_dsl.language.ir.resolve.edits import rewrite, set_argument
from ffebm_dsl.language.ir.resolve.resolved import (
    ResolvedBlock,
    ResolvedCoupling,
    ResolvedDrive,
    ResolvedLayer,
)
from ffebm_dsl.language.registry import OPS, OpConstruct, show_shape

ConnectionT = TypeVar("ConnectionT", ResolvedCoupling, ResolvedDrive)


def infer_connection(
    connection: ConnectionT, source: Shape | None, block: ResolvedBlock, log: Log
) -> ConnectionT:
    """The coupling or drive of ``block`` with its ops between known shapes, the first of them
    ``source``; what does not fit is reported."""
    end = connection.layer if isinstance(connection, ResolvedDrive) else connection.target
    layer = block.layer(end)
    ops = [op for op in connection.chain.ops if op is not None and _may_have(op, connection, log)]
    if len(ops) != len(connection.chain.ops) or source is None or layer.shape is None:
        return connection
    counted = _count_outputs(ops, source, layer.shape)
    traced = trace(counted, source)
    if traced.misfit is not None:
        report_misfit(traced.misfit, traced.at, log)
    elif traced.shape == layer.shape:
        return connection._replace(chain=connection.chain._replace(shaped=traced.ops))
    elif isinstance(connection, ResolvedCoupling):
        _report_coupling(connection, block, counted, traced, log)
    elif ops:
        _report_drive(connection, source, layer, block.name, traced, log)
    else:
        _report_plain_drive(connection, source, layer, block.name, log)
    return connection


def _report_drive(
    drive: ResolvedDrive, source: Shape, layer: ResolvedLayer, block: str, traced: Traced, log: Log
) -> None:
    log.report(
        "FFE2004",
        f"the ops of a drive of layer `{layer.name}` in block `{block}` give "
        f"{show_shape(traced.shape)} from {show_shape(source)}, and the layer has "
        f"{show_shape(layer.shape or ())}",
        drive.chain.span,
        labels=[layer_label(layer)],
        notes=joined((*traced.notes, *layer.facts)),
        help="change the ops or the layer until both shapes are equal",
    )


def _report_plain_drive(
    drive: ResolvedDrive, shape: Shape, layer: ResolvedLayer, block: str, log: Log
) -> None:
    log.report(
        "FFE2004",
        f"layer `{layer.name}` of block `{block}` has {show_shape(layer.shape or ())}, "
        f"and its drive {show_shape(shape)}",
        # Not at the drive, which only names both: nothing there could be corrected.
        layer.shape_span,
        labels=[Label(drive.span, f"the port has {show_shape(shape)}")],
        notes=joined(layer.facts),
        help="a drive is added entry by entry, so both shapes must be equal; or add ops that "
        "make them so, such as `: linear()`",
    )


def _may_have(op: BoundCall, connection: ResolvedCoupling | ResolvedDrive, log: Log) -> bool:
    """Whether a coupling or drive can have ``op``; else that is reported."""
    coupled = isinstance(connection, ResolvedCoupling)

    def fits(known: OpConstruct) -> bool:
        return known.in_coupling and (known.linear or coupled)

    if fits(OPS[op.name]):
        return True
    allowed = ", ".join(name for name, known in OPS.visible().items() if fits(known))
    if isinstance(connection, ResolvedCoupling):
        log.report(
            "FFE3003",
            f"a coupling cannot have `{op.name}`",
            op.span,
            notes=(
                "a coupling uses one weight in both directions, so its ops are linear, or "
                "poolings with a known adjoint",
            ),
            help=f"ops of couplings: {allowed}; other ops belong in a feedforward map",
        )
    else:
        log.report(
            "FFE3008",
            f"a drive cannot have `{op.name}`",
            op.span,
            notes=("the ops of a drive are analog and linear, and act one way, into the layer",),
            help=f"ops of drives: {allowed}; put others into a feedforward map, which "
            "is digital and runs once per step, and drive the layer by its output: "
            f"`name -> {connection.layer}`",
        )
    return False


def _count_outputs(ops: list[BoundCall], source: Shape, target: Shape) -> list[BoundCall]:
    """The ops with the last weight's output count, where it is left out, from the end layer."""
    for position in reversed(range(len(ops))):
        name = OPS[ops[position].name].counted
        if not name:
            continue
        if name in ops[position].arguments:
            return ops
        count = _outputs_for(ops, position, name, source, target)
        return [*ops[:position], _with(ops[position], name, count), *ops[position + 1 :]]
    return ops


def _outputs_for(
    ops: list[BoundCall], position: int, name: str, source: Shape, target: Shape
) -> int:
    """Outputs of the weight at ``position`` with which the chain ends in ``target``."""
    op = ops[position]
    groups = op.arguments.get("groups", 1)
    unit = groups if isinstance(groups, int) else 1
    traced = trace([*ops[:position], _with(op, name, unit), *ops[position + 1 :]], source)
    if traced.misfit is not None:
        return target[0]
    shape = traced.shape
    if len(shape) == len(target) == 2:
        # Of tokens the last size is counted, of a sequence the first: more outputs show which.
        more = trace([*ops[:position], _with(op, name, 2 * unit), *ops[position + 1 :]], source)
        return target[0] if more.shape[0] != shape[0] else target[1]
    if len(shape) == len(target):
        flattened = prod(shape) // unit if len(shape) == 1 else 1
        return target[0] // flattened if target[0] % flattened == 0 else target[0]
    return max(1, prod(target) * unit // prod(shape))


def _with(op: BoundCall, name: str, value: int | Shape) -> BoundCall:
    """``op`` with one argument more, in the order of its signature."""
    stated = {**op.arguments, name: value}
    ordered = {key: stated[key] for key in OPS[op.name].names}
    return replace(op, arguments=ordered)


def _report_coupling(
    coupling: ResolvedCoupling, block: ResolvedBlock, ops: list[BoundCall], traced: Traced, log: Log
) -> None:
    source, target = block.layer(coupling.source), block.layer(coupling.target)
    start, end = show_shape(source.shape or ()), show_shape(target.shape or ())
    text = f"gives {show_shape(traced.shape)} from {source.name} {start}"
    facts = [*traced.notes, *(fact for op in ops for fact in op.facts)]
    facts += [*source.facts, *target.facts]
    span = coupling.chain.span
    remedy = _remedy(coupling, ops, source.shape or (), target.shape or (), log.source)
    log.report(
        "FFE2003",
        f"coupling `{coupling.text}` does not fit layer `{target.name}` in block `{block.name}`",
        span,
        text if ops else f"{start} is not {end}",
        labels=[layer_label(target)],
        notes=joined(tuple(facts)),
        help=remedy.help,
        # In a template, what makes one expansion fit may break another.
        fix=None if log.context else remedy.fix,
    )


class _Remedy(NamedTuple):
    help: str = ""
    fix: Fix | None = None


def _remedy(
    coupling: ResolvedCoupling, ops: list[BoundCall], source: Shape, target: Shape, text: SourceFile
) -> _Remedy:
    """The smallest change of one argument that makes the coupling fit, if there is one."""
    for position, op in enumerate(ops):
        for name, value in _changes(op, target):
            changed = [*ops[:position], _with(op, name, value), *ops[position + 1 :]]
            traced = trace(changed, source)
            if traced.misfit is not None or traced.shape != target:
                continue
            shown = str(value) if isinstance(value, int) else show_shape(value)
            fix = set_argument(op, name, shown, text)
            if name == OPS[op.name].counted:
                return _Remedy(f"write `{name}={shown}` in {op.name}, or leave it out", fix)
            if name in op.places:
                return _Remedy(f"write `{name}={shown}` in {op.name}", fix)
            return _Remedy(f"add `{name}={shown}` to {op.name}", fix)
    if len(source) == 3 and len(target) == 1 and not ops:
        chain = " : flatten() |> linear()"
        return _Remedy(f"add `{chain.strip()}`", insert(coupling.span.end, chain))
    if len(source) == 1 and len(target) == 3:
        turned = f"{coupling.target} <-> {coupling.source} : flatten() |> linear()"
        return _Remedy(
            f"no op makes an image of a vector; write it the other way round: `{turned}`",
            rewrite(coupling.span, turned, text),
        )
    if ops:
        return _Remedy()
    return _Remedy("a coupling without ops joins layers of one shape; add ops after `:`")


def _changes(op: BoundCall, target: Shape) -> Iterator[tuple[str, int | Shape]]:
    """Other values of an op's arguments that are worth a try, likely ones first."""
    counted = OPS[op.name].counted
    kernel: Any = op.arguments.get("kernel")
    if isinstance(kernel, int):
        largest = kernel - 1 if counted else kernel // 2
        yield from (("padding", p) for p in range(min(largest, _MAX_PADDING_TRIED) + 1))
        yield from (("stride", s) for s in (1, 2, 4))
    elif isinstance(kernel, tuple):
        yield "padding", tuple((k - 1) // 2 for k in kernel)
    if counted:
        yield from ((counted, count) for count in (target[0], target[-1], prod(target)))


_MAX_PADDING_TRIED = 16
