"""An override that changes nothing is an error: one rule for every key of ``--set``.

Whether it changes something is not read off the text but tried: the spec is resolved once
more without it. What then means the same network, trained the same way, is not touched by the
override. The value that the text has already may be given all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.log import FAR, Log
from ffebm_dsl.language.ir.model import CallIR, FeedforwardIR, OpIR, SpecIR
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
        if other is None or _has_effect(key, program, model, ir, other):
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


def _has_effect(
    key: str, program: ast.Program, model: ResolvedModel, ir: SpecIR, other: SpecIR
) -> bool:
    """Whether the override changes the spec, or gives a value that the text has in its place."""
    head = key.partition(".")[0]
    if key in ir.parameters:
        same_value = ir.parameters[key] == other.parameters.get(key)
        meanings = [(spec.hardware, spec.model, spec.train) for spec in (ir, other)]
        return same_value or meanings[0] != meanings[1]
    if head == "gradient":
        inherited = any(isinstance(s, ResolvedBlock) and s.gradient.inherited for s in model.stages)
        return inherited or ir.model != other.model
    if _of_init(key):
        return _inits(ir) == _inits(other) or _drawn(ir) != _drawn(other)
    if head == "relax":
        inherited = not all(any(_states(s, key) for s in block) for block in _blocks(program))
        return inherited or ir.model != other.model
    return True  # A key of the train section, or of a block, that is there is always in force.


def _of_init(key: str) -> bool:
    """Whether it is `init` of the model or of a block, or an argument of it."""
    return "init" in key.split(".")[:2]


def _inits(spec: SpecIR) -> list[CallIR]:
    return [spec.model.init, *(block.init for block in spec.model.blocks)]


def _drawn(spec: SpecIR) -> list[CallIR]:
    """The initialisers that draw weights for which no op states one."""
    model = spec.model
    maps = [*(s for s in model.stages if isinstance(s, FeedforwardIR)), *model.readouts]
    found = [model.init] if any(_inherits(map_.ops) for map_ in maps) else []
    for block in model.blocks:
        chains = [part.ops for part in block.feedforwards]
        chains += [coupling.ops for coupling in block.couplings]
        chains += [drive.ops for drive in block.drives]
        if block.terms or any(map(_inherits, chains)):
            found.append(block.init)
    return found


def _inherits(ops: Iterable[OpIR]) -> bool:
    """Whether any weights are drawn as the block or the model says."""
    inherited = (op for op in ops if not isinstance(op.arguments.get("init"), CallIR))
    return any(OPS[op.name].counted for op in inherited)


def _of_param(key: str) -> tuple[str, str, str]:
    return (
        "the network and its training are the same without it",
        f"nothing uses `{key}`, another --set replaces what does, or its values come to the same",
        "leave it out, or let the text use it",
    )


def _of_statement(key: str, program: ast.Program, log: Log) -> tuple[str, str, str]:
    head = key.partition(".")[0]
    said = key if head == "relax" else "init" if _of_init(key) else head
    stated = [s for statements in _blocks(program) for s in statements if _states(s, key)]
    lines = sorted({log.source.position(s.span.start)[0] for s in stated})
    where = f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}"
    return (
        f"every block {'or op ' if said == 'init' else ''}states its own `{said}`",
        f"stated in {log.source.name}, {where}" if lines else "an op does so by `init=...`",
        f"set that of a block, `BLOCK.{key}=...`, or let these statements read a `param`",
    )


def _states(statement: ast.Node, key: str) -> bool:
    """Whether a statement of a block says itself what the model says under ``key``."""
    head, *rest = key.split(".")
    if head == "relax":
        return (
            isinstance(statement, ast.Relax)
            and statement.phase.text == rest[0]
            and any(setting.name.text == rest[1] for setting in statement.settings)
        )
    return isinstance(statement, ast.Gradient if head == "gradient" else ast.Init)


def _blocks(program: ast.Program) -> Iterator[tuple[ast.Node, ...]]:
    """The statements of every block, those of the template that it is made of among them."""
    templates = {t.name.text: t for t in program.items if isinstance(t, ast.Template)}
    for model in program.items:
        for statement in model.statements if isinstance(model, ast.Model) else ():
            if isinstance(statement, ast.Block):
                yield statement.statements
            elif isinstance(statement, ast.Instance):
                template = templates.get(statement.template.name.text)
                yield (*statement.overrides, *(template.statements if template else ()))
