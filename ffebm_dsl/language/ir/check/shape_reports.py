"""What the reports of shapes have in common."""

from __future__ import annotations

from ffebm_dsl.language.diagnostics import Label
from ffebm_dsl.language.diagnostics.fix import insert
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.resolve.bind import BoundCall
from ffebm_dsl.language.ir.resolve.edits import set_name
from ffebm_dsl.language.ir.resolve.resolved import Layer
from ffebm_dsl.language.registry import Misfit, show_shape


def report_misfit(misfit: Misfit, op: BoundCall, log: Log) -> None:
    """Say why ``op`` cannot take its input."""
    code = "FFE2001" if misfit.wrong_rank else "FFE2002"
    fix = set_name(op, misfit.instead) if misfit.instead else None
    if misfit.before:
        fix = insert(op.span.start, f"{misfit.before} |> ")
    log.report(code, misfit.message, op.span, notes=joined(op.facts), help=misfit.help, fix=fix)


def joined(facts: tuple[str, ...]) -> tuple[str, ...]:
    """Facts as one note, each once; no note without facts."""
    return ("; ".join(dict.fromkeys(facts)),) if facts else ()


def layer_label(layer: Layer) -> Label:
    """A layer's declaration, with its shape in numbers."""
    return Label(layer.shape_span, f"{layer.name} is {show_shape(layer.shape or ())}")
