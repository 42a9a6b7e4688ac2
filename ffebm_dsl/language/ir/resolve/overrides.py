"""The overrides that ``--set`` gives, and their effect on statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import SourceFile, Span, SpecError
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.ir.resolve.bind import BoundCall, Values, check_agreement, value_of
from ffebm_dsl.language.ir.resolve.scope import Packages, Scope
from ffebm_dsl.language.ir.resolve.statements import Inherited
from ffebm_dsl.language.registry import PHASES, TABLES, TRAIN, Kind, Parameter
from ffebm_dsl.language.syntax import ast, parse_override
from ffebm_dsl.language.syntax.ast import moved

_STATEMENTS: Mapping[str, str] = {"gradient": "gradients", "init": "initialisers", "relax": ""}
"""Statements of the model, and of a block, that an override may replace: how they relax and learn,
not what they are; and the table of what they call."""


class Override(NamedTuple):
    """One ``--set`` of a ``param``, or of ``name`` of ``train``, the ``model`` or a ``block``.

    ``owner`` is one of these four words. ``argument`` is a part, such as ``lr`` or ``free.sweeps``,
    and ``""`` if the whole is set. ``place`` is that of the ``inner`` key, and ``scope`` one
    without names.
    """

    owner: str
    name: str
    argument: str
    block: str
    value: ast.Expression
    place: Span
    scope: Scope

    @property
    def inner(self) -> str:
        """The key without the name of the block."""
        return f"{self.name}.{self.argument}" if self.argument else self.name


def read_overrides(
    texts: Mapping[str, str],
    params: Collection[str],
    packages: Packages,
    stated: Mapping[str, Span],
    blocks: Collection[str],
    log: Log,
) -> list[Override]:
    """The overrides, a whole statement or call before its arguments.

    Unknown keys and values that do not parse are reported, and left out. ``stated`` are the
    statements of the model by keyword, for the message about one that no override may replace.
    """
    overrides = []
    for key, text in texts.items():
        source = SourceFile("--set", f"{key}={text}")
        start = log.enter(source)
        end = start + len(key)
        parsed = _parse_key(key, params, blocks)
        if parsed is None:
            _report_unknown(key, Span(start, end), params, blocks, stated, log)
            continue
        try:
            value = moved(parse_override(source).value, start)
        except SpecError as fault:
            log.found.extend(fault.diagnostics)
            continue
        override = Override(*parsed, value, Span(start, end), Scope(log, packages=packages))
        place = Span(end - len(override.inner), end)
        overrides.append(override._replace(place=place))
    return sorted(overrides, key=lambda override: bool(override.argument))


def _parse_key(
    key: str, params: Collection[str], blocks: Collection[str]
) -> tuple[str, str, str, str] | None:
    """Owner, name, argument and block; None for the key of nothing that can be set."""
    head, _, rest = key.partition(".")
    if head in params:
        return None if rest else ("param", head, "", "")
    if head in TRAIN.names:
        return "train", head, rest, ""
    if head in _STATEMENTS:
        return "model", head, rest, ""
    name, _, argument = rest.partition(".")
    return ("block", name, argument, head) if head in blocks and name in _STATEMENTS else None


def _report_unknown(
    key: str,
    span: Span,
    params: Collection[str],
    blocks: Collection[str],
    stated: Mapping[str, Span],
    log: Log,
) -> None:
    head = key.partition(".")[0]
    if head in blocks:
        known = [f"{head}.{name}" for name in _STATEMENTS]
    else:
        known = [*params, *TRAIN.names, *_STATEMENTS, *blocks]
    if head not in stated or head in (*params, *blocks):
        message = f"the spec has nothing called `{key}` to set"
        log.report_unknown("FFE1019", message, span, key, known)
        return
    line, _ = log.source.position(stated[head].start)
    log.report(
        "FFE1019",
        f"`{key}` cannot be set: the text states its `{head}`",
        span,
        notes=(f"stated in {log.source.name}, line {line}",),
        help="let that statement read a `param`, and set the param",
    )


def set_argument_of(call: CallIR, table: str, override: Override) -> CallIR | None:
    """``call`` with the argument that the override is of replaced.

    None after reporting that there is no such argument, or a value that does not fit it.
    """
    name, end = override.argument, override.place.end
    signature = TABLES[table][call.name]
    if name not in signature.names:
        message = f"`{call.name}` has nothing called `{name}` to set"
        place = Span(end - len(name), end)
        override.scope.log.report_unknown("FFE1019", message, place, name, signature.names)
        return None
    value = value_of(override.value, signature.parameter(name), override.scope)
    return None if value is None else CallIR(call.name, {**call.arguments, name: value})


def set_statements(
    settings: Inherited, overrides: Sequence[Override], place: Span, log: Log
) -> Inherited:
    """The settings of a model or block with overrides applied.

    Messages about a call that the text does not state point to ``place``. Blocks with statements
    of their own keep them, whatever is set for the model.
    """
    phases = dict(settings.phases)
    calls = {"gradient": settings.gradient, "init": settings.init}
    for override in overrides:
        name = override.name
        if name == "relax":
            _set_phase(phases, override)
            continue
        before = calls[name]
        call = _set_call(before.ir if before else None, _STATEMENTS[name], override)
        if call is not None and before is not None:
            span = before.span if before.span.end else place
            calls[name] = BoundCall(call.name, call.arguments, span)
    # Only now: one argument may be set for the sake of another.
    for name in {override.name for override in overrides} & calls.keys():
        made = calls[name]
        known = TABLES[_STATEMENTS[name]]
        if made and not check_agreement(known[made.name], made.arguments, made.span, log):
            calls[name] = None
    own = {o.inner if o.name == "relax" else o.name: o.place for o in overrides}
    found = Inherited(phases, calls["gradient"], calls["init"] or settings.init, settings.own | own)
    changed = {o.inner: o.place for o in overrides if _of(found, o) != _of(settings, o)}
    return replace(found, changed=changed)


def _of(settings: Inherited, override: Override) -> object:
    """The value that the settings have for the key of an override."""
    if override.name == "relax":
        phase, _, key = override.argument.partition(".")
        return vars(settings.relax(phase)).get(key) if phase in PHASES else None
    call = settings.gradient if override.name == "gradient" else settings.init
    return call.ir if call else None


def _set_phase(phases: dict[str, Values], override: Override) -> None:
    """Set a key of a phase: ``relax.free.sweeps``."""
    keys = [f"relax.{phase}.{name}" for phase in PHASES for name in PHASES[phase].names]
    key = override.inner
    if key not in keys:
        message, help = f"`{key}` is no key of a phase", "for example relax.free.sweeps=20"
        override.scope.log.report_unknown("FFE1019", message, override.place, key, keys, help)
        return
    _, phase, name = key.split(".")
    value = value_of(override.value, PHASES[phase].parameter(name), override.scope)
    if value is not None:
        phases[phase] = {**phases.get(phase, {}), name: value}


def _set_call(before: CallIR | None, table: str, override: Override) -> CallIR | None:
    if override.argument:
        return set_argument_of(before, table, override) if before is not None else None
    parameter = Parameter(override.name, Kind.CALL, "", table=table)
    value = value_of(override.value, parameter, override.scope)
    return value if isinstance(value, CallIR) else None
