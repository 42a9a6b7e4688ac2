"""An override that changes nothing is an error: one rule for every key of ``--set``.

Whether it changes something is not read off the text but tried: the spec is resolved once
more without it. What then means the same network, trained the same way, is not touched by the
override. The value that the text has already may be given all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.log import FAR, Log
from ffebm_dsl.language.ir.model import FeedforwardIR, ModelIR, SpecIR
from ffebm_dsl.language.ir.resolve.resolved import ResolvedBlock, ResolvedModel
from ffebm_dsl.language.registry import OPS
from ffebm_dsl.language.syntax import ast


def check_effects(
    program: ast.Program,
    overrides: Mapping[str, str],
    model: ResolvedModel,
    ir: SpecIR,
    without: Mapping[str, SpecIR | None],
    log: Log,
) -> None:
    """Report each override that changes nothing.

    Args:
        model: the resolved model, of which ``ir`` is the meaning, overrides applied.
        without: the meaning without each override; None where the spec is in error then.
    """
    for number, (key, value) in enumerate(overrides.items(), start=1):
        other = without[key]
        if other is None or _has_effect(key, model, ir, other):
            continue
        is_param = key in ir.parameters
        reason, note, help = _of_param(key) if is_param else _of_statement(key, program, log)
        log.report(
            "FFE1022",
            f"`{key}={value}` changes nothing: {reason}",
            Span(number * FAR, number * FAR + len(key)),
            notes=(note,),
            help=help,
        )


def _has_effect(key: str, model: ResolvedModel, ir: SpecIR, other: SpecIR) -> bool:
    """Whether the override changes the spec, or gives a value that the text has in its place."""
    head = key.partition(".")[0]
    if key in ir.parameters:
        same_value = ir.parameters[key] == other.parameters.get(key)
        meanings = [(spec.hardware, spec.model, spec.train) for spec in (ir, other)]
        return same_value or meanings[0] != meanings[1]
    if head == "gradient":
        inherited = any(isinstance(s, ResolvedBlock) and s.gradient.inherited for s in model.stages)
        return inherited or ir.model != other.model
    if head == "init":
        served = [block.init for block in ir.model.blocks]
        changed = served != [block.init for block in other.model.blocks]
        return changed or _has_weights(ir.model) or ir.model.init == other.model.init
    return True  # A key of the train section that is there is always in force.


def _has_weights(model: ModelIR) -> bool:
    """Whether the model's own maps draw any: with its initialiser, and no block's."""
    maps = [*(s for s in model.stages if isinstance(s, FeedforwardIR)), *model.readouts]
    return any(OPS[op.name].counted for map_ in maps for op in map_.ops)


def _of_param(key: str) -> tuple[str, str, str]:
    return (
        "the network and its training are the same without it",
        f"nothing uses `{key}`, another --set replaces what does, or its values come to the same",
        "leave it out, or let the text use it",
    )


def _of_statement(key: str, program: ast.Program, log: Log) -> tuple[str, str, str]:
    head = key.partition(".")[0]
    kind = ast.Gradient if head == "gradient" else ast.Init
    lines = sorted({log.source.position(s.span.start)[0] for s in _stated(program, kind)})
    return (
        f"every block states its own `{head}`",
        f"stated in {log.source.name}, line{'s' if len(lines) > 1 else ''} "
        + ", ".join(map(str, lines)),
        f"let these read a `param` and set that, or remove them: the model's `{head}` then counts",
    )


def _stated(
    program: ast.Program, kind: type[ast.Gradient] | type[ast.Init]
) -> Iterator[ast.Gradient | ast.Init]:
    """The statements of this kind in blocks, in templates and where these are used."""
    for item in program.items:
        inside = item.statements if isinstance(item, ast.Model | ast.Template) else ()
        for statement in inside:
            if isinstance(item, ast.Template) and isinstance(statement, kind):
                yield statement
            elif isinstance(statement, ast.Block):
                yield from (s for s in statement.statements if isinstance(s, kind))
            elif isinstance(statement, ast.Instance):
                yield from (s for s in statement.overrides if isinstance(s, kind))
