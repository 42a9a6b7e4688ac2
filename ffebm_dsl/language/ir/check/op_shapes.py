"""The shape after an op, without batch, and reports of ops that do not take a shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from types import MappingProxyType
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Label
from ffebm_dsl.language.diagnostics.fix import insert
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import OpIR
from ffebm_dsl.language.ir.resolve.bind import BoundCall
from ffebm_dsl.language.ir.resolve.edits import set_name
from ffebm_dsl.language.ir.resolve.resolved import ResolvedLayer
from ffebm_dsl.language.ir.resolve.scope import MAX_INT
from ffebm_dsl.language.registry import OPS, Arguments, Fit, Misfit, Shape, show_shape


def apply_op(name: str, arguments: Arguments, *shapes: Shape) -> Fit | Misfit:
    """The shape after an op, or why there is none; ``shapes`` are of all that it takes."""
    fit = OPS[name].shape(arguments, *shapes)
    if isinstance(fit, Fit) and prod(fit.shape) > MAX_INT:
        return Misfit(f"`{name}` gives {show_shape(fit.shape)}: more than {MAX_INT} entries")
    return fit


class Traced(NamedTuple):
    """A chain applied to a shape: its ops, the shape behind them, the arithmetic in words.

    If the op ``at`` does not take its input, ``misfit`` says why.
    """

    ops: tuple[OpIR, ...]
    shape: Shape
    notes: tuple[str, ...]
    misfit: Misfit | None = None
    at: BoundCall | None = None


def trace(
    ops: Iterable[BoundCall], shape: Shape, ports: Mapping[str, Shape] = MappingProxyType({})
) -> Traced:
    """Apply ops to a shape, one after the other, as far as they take it.

    ``ports`` are the shapes of those that ops read besides.
    """
    done: list[OpIR] = []
    notes: list[str] = []
    for op in ops:
        joined = (ports[str(op.arguments["port"])],) if OPS[op.name].joins else ()
        fit = apply_op(op.name, op.arguments, shape, *joined)
        if isinstance(fit, Misfit):
            return Traced(tuple(done), shape, tuple(notes), fit, op)
        done.append(OpIR(op.name, op.arguments, shape, fit.shape))
        if fit.note:
            notes.append(fit.note)
        shape = fit.shape
    return Traced(tuple(done), shape, tuple(notes))


def report_misfit(misfit: Misfit, op: BoundCall | None, log: Log) -> None:
    """Say why ``op`` cannot take its input."""
    assert op is not None
    code = "FFE2001" if misfit.wrong_rank else "FFE2002"
    fix = set_name(op, misfit.instead) if misfit.instead else None
    if misfit.before:
        fix = insert(op.span.start, f"{misfit.before} |> ")
    log.report(code, misfit.message, op.span, notes=joined(op.facts), help=misfit.help, fix=fix)


def joined(facts: tuple[str, ...]) -> tuple[str, ...]:
    """Facts as one note, each once; no note without facts."""
    return ("; ".join(dict.fromkeys(facts)),) if facts else ()


def layer_label(layer: ResolvedLayer) -> Label:
    """A layer's declaration, with its shape in numbers."""
    return Label(layer.shape_span, f"{layer.name} is {show_shape(layer.shape or ())}")
