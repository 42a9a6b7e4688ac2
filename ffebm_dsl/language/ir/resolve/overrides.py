"""What ``--set`` gives: the overrides, and calls with one of them in force."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import SourceFile, Span, SpecError
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.ir.resolve.bind import BoundCall, Values, check_agreement, value_of
from ffebm_dsl.language.ir.resolve.resolved import ResolvedEstimator
from ffebm_dsl.language.ir.resolve.scope import Packages, Scope
from ffebm_dsl.language.ir.resolve.statements import Inherited
from ffebm_dsl.language.registry import PHASES, TABLES, TRAIN, Kind, Parameter
from ffebm_dsl.language.syntax import ast, parse_override
from ffebm_dsl.language.syntax.ast import moved

MODEL_KEYS = ("gradient", "init", "relax")
"""Statements of the model, and of a block, that an override may replace: how they relax and learn,
not what they are."""


class Override(NamedTuple):
    """One ``--set``: the value, the place of its key, and a scope without names."""

    key: str
    value: ast.Expression
    place: Span
    scope: Scope


def read_overrides(
    texts: Mapping[str, str],
    params: Mapping[str, object],
    packages: Packages,
    stated: Mapping[str, Span],
    blocks: Collection[str],
    log: Log,
) -> dict[str, Override]:
    """Overrides by key. Unknown keys and values that do not parse are reported, and left out.

    ``stated`` are the statements of the model by keyword, for the message about one that no
    override may replace.

    A key is a ``param``, a key of the train section, one of :data:`MODEL_KEYS`, or
    ``key.argument`` of one of the latter two; before one of :data:`MODEL_KEYS` there may be the
    name of one of the ``blocks``.
    """
    overrides = {}
    heads = (*params, *TRAIN.names, *MODEL_KEYS, *blocks)
    for key, text in texts.items():
        source = SourceFile("--set", f"{key}={text}")
        start = log.enter(source)
        place = Span(start, start + len(key))
        head, dot, _ = key.partition(".")
        if head not in heads or (dot and head in params):
            _report_unknown(key, heads, stated.get(head), place, log)
            continue
        if is_of_block(key, params, blocks) and key.split(".")[1:2] not in _OF_BLOCKS:
            known = [f"{head}.{name}" for name in MODEL_KEYS]
            _report_unknown(key, known, None, place, log)
            continue
        try:
            value = moved(parse_override(source).value, start)
        except SpecError as fault:
            log.found.extend(fault.diagnostics)
            continue
        overrides[key] = Override(key, value, place, Scope(packages=packages))
    return overrides


_OF_BLOCKS = [[key] for key in MODEL_KEYS]


def is_of_block(key: str, params: Collection[str], blocks: Collection[str]) -> bool:
    """Whether a key begins with the name of a block, and with nothing else of that name."""
    head = key.partition(".")[0]
    return head in blocks and head not in (*params, *TRAIN.names, *MODEL_KEYS)


def of_block(overrides: Mapping[str, Override], block: str) -> dict[str, Override]:
    """The overrides of one block, by their keys inside it."""
    inside = {}
    for key, override in overrides.items():
        head, _, rest = key.partition(".")
        if head == block and head not in MODEL_KEYS:
            place = Span(override.place.end - len(rest), override.place.end)
            inside[rest] = override._replace(key=rest, place=place)
    return inside


def _report_unknown(
    key: str, heads: Sequence[str], statement: Span | None, span: Span, log: Log
) -> None:
    if statement is not None:
        line, _ = log.source.position(statement.start)
        head = key.partition(".")[0]
        log.report(
            "FFE1019",
            f"`{key}` cannot be set: the text states its `{head}`",
            span,
            notes=(f"stated in {log.source.name}, line {line}",),
            help="let that statement read a `param`, and set the param",
        )
        return
    message = f"the spec has nothing called `{key}` to set"
    log.report_unknown("FFE1019", message, span, key, heads)


_TABLES: Mapping[str, str] = {"gradient": "gradients", "init": "initialisers"}


def set_argument_of(call: CallIR, table: str, override: Override, log: Log) -> CallIR | None:
    """``call`` with the argument that ``override.key`` names after its point replaced.

    None after reporting that there is no such argument, or a value that does not fit it.
    """
    name, end = override.key.partition(".")[2], override.place.end
    signature = TABLES[table][call.name]
    if name not in signature.names:
        message = f"`{call.name}` has nothing called `{name}` to set"
        place = Span(end - len(name), end)
        log.report_unknown("FFE1019", message, place, name, signature.names)
        return None
    value = value_of(override.value, signature.parameter(name), override.scope, log)
    return None if value is None else CallIR(call.name, {**call.arguments, name: value})


def set_statements(
    settings: Inherited, overrides: Mapping[str, Override], place: Span, log: Log
) -> Inherited:
    """Phases, gradient and initialiser of a model or block with what ``--set`` says of them.

    ``place`` is where messages about a call point that the text does not state. Blocks
    with statements of their own keep them, whatever is set for the model.
    """
    gradient, init = settings.gradient.call, settings.init
    inherited = settings.gradient.inherited
    phases = dict(settings.phases)
    # A whole statement first, whatever the order on the command line: arguments refine it.
    for key in sorted(overrides, key=lambda key: "." in key):
        head = key.partition(".")[0]
        if head == "relax":
            _set_phase(phases, overrides[key], log)
            continue
        before = init if head == "init" else gradient
        call = _set_call(before.ir if before else None, _TABLES[head], overrides[key], log)
        if call is None or before is None:
            continue
        span = before.span if before.span.end else place
        changed = BoundCall(call.name, call.arguments, span)
        if head == "init":
            init = changed
        else:
            gradient, inherited = changed, False
    # Only now: one argument may be set for the sake of another.
    if init is not settings.init:
        init = init if agrees(init.ir, "initialisers", init.span, log) else settings.init
    if gradient and gradient is not settings.gradient.call:
        gradient = gradient if agrees(gradient.ir, "gradients", gradient.span, log) else None
    return Inherited(phases, ResolvedEstimator(gradient, inherited), init)


def agrees(call: CallIR, table: str, span: Span, log: Log) -> bool:
    """Whether the arguments of a call go together that overrides have changed; else reported."""
    return check_agreement(TABLES[table][call.name], call.arguments, span, log)


def _set_phase(phases: dict[str, Values], override: Override, log: Log) -> None:
    """Set a key of a phase: ``relax.free.sweeps``."""
    keys = [f"relax.{phase}.{name}" for phase in PHASES for name in PHASES[phase].names]
    if override.key not in keys:
        message, help = f"`{override.key}` is no key of a phase", "for example relax.free.sweeps=20"
        log.report_unknown("FFE1019", message, override.place, override.key, keys, help)
        return
    _, phase, name = override.key.split(".")
    value = value_of(override.value, PHASES[phase].parameter(name), override.scope, log)
    if value is not None:
        phases[phase] = {**phases.get(phase, {}), name: value}


def _set_call(before: CallIR | None, table: str, override: Override, log: Log) -> CallIR | None:
    if "." in override.key:
        return set_argument_of(before, table, override, log) if before is not None else None
    parameter = Parameter(override.key, Kind.CALL, "", table=table)
    value = value_of(override.value, parameter, override.scope, log)
    return value if isinstance(value, CallIR) else None
