"""The train section, with the overrides of its keys."""

from __future__ import annotations

from collections.abc import Mapping

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.ir.resolve.bind import bind
from ffebm_dsl.language.ir.resolve.overrides import Override, agrees, set_argument_of
from ffebm_dsl.language.ir.resolve.resolved import ResolvedTrain
from ffebm_dsl.language.ir.resolve.scope import Scope
from ffebm_dsl.language.registry import TRAIN, Kind
from ffebm_dsl.language.syntax import ast

Places = dict[str, Span]


def resolve_train(
    section: ast.Train | None, overrides: Mapping[str, Override], scope: Scope, log: Log
) -> ResolvedTrain | None:
    """The train section with all keys; None where there is none, and after a fault."""
    if section is None:
        for override in overrides.values():
            _report_no_section(override, log)
        return None
    whole = [
        ast.Setting(o.place, ast.Ident(o.place, key), o.value)
        for key, o in overrides.items()
        if "." not in key
    ]
    head = Span(section.span.start, section.span.start + len("train"))
    values = bind(TRAIN, section.settings, head, scope, log, overrides=whole)
    places = {s.name.text: s.value.span for s in (*section.settings, *whole)}
    if values is None:
        return None
    calls = {key: value for key, value in values.items() if isinstance(value, CallIR)}
    for key, override in overrides.items():
        if "." in key:
            calls = _override_argument(key, override, calls, places, log)
    for name in {key.partition(".")[0] for key in overrides if "." in key} & calls.keys():
        agrees(calls[name], _table(name), places[name], log)
    numbers = {key: value for key, value in values.items() if not isinstance(value, CallIR)}
    data, optimizer, schedule = (calls[key] for key in ("data", "optimizer", "schedule"))
    return ResolvedTrain(data, optimizer, schedule, calls["on_bad_step"], numbers, places)


def _report_no_section(override: Override, log: Log) -> None:
    log.report(
        "FFE1019",
        f"`{override.key}` belongs to a train section, and the spec has none",
        override.place,
    )


def _override_argument(
    key: str, override: Override, calls: dict[str, CallIR], places: Places, log: Log
) -> dict[str, CallIR]:
    """``calls`` with the argument that ``key`` names, such as ``optimizer.lr``, replaced."""
    head = key.partition(".")[0]
    if head not in calls:
        log.report(
            "FFE1019",
            f"`{head}` has no arguments to set",
            override.place,
            help=f"write `{head}=...`",
        )
        return calls
    call = set_argument_of(calls[head], _table(head), override, log)
    if call is None:
        return calls
    places[head] = override.value.span
    return calls | {head: call}


def _table(key: str) -> str:
    parameter = TRAIN.parameter(key)
    assert parameter.kind is Kind.CALL
    return parameter.table
