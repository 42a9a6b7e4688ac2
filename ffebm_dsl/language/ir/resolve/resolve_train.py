"""The train section, with the overrides of its keys."""

from __future__ import annotations

from collections.abc import Sequence

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.ir.resolve.bind import bind
from ffebm_dsl.language.ir.resolve.overrides import Override, agrees, set_argument_of
from ffebm_dsl.language.ir.resolve.resolved import ResolvedTrain
from ffebm_dsl.language.ir.resolve.scope import Scope
from ffebm_dsl.language.registry import TRAIN
from ffebm_dsl.language.syntax import ast

Places = dict[str, Span]


def resolve_train(
    section: ast.Train | None, overrides: Sequence[Override], scope: Scope, log: Log
) -> ResolvedTrain | None:
    """The train section with all keys; None where there is none, and after a fault."""
    if section is None:
        for override in overrides:
            message = f"`{override.key.inner}` belongs to a train section, and the spec has none"
            log.report("FFE1019", message, override.place)
        return None
    whole = [
        ast.Setting(o.place, ast.Ident(o.place, o.key.name), o.value)
        for o in overrides
        if not o.key.argument
    ]
    head = Span(section.span.start, section.span.start + len("train"))
    values = bind(TRAIN, section.settings, head, scope, log, overrides=whole)
    places = {s.name.text: s.value.span for s in (*section.settings, *whole)}
    if values is None:
        return None
    calls = {key: value for key, value in values.items() if isinstance(value, CallIR)}
    of_arguments = [o for o in overrides if o.key.argument]
    for override in of_arguments:
        _override_argument(override, calls, places, log)
    for name in {o.key.name for o in of_arguments} & calls.keys():
        agrees(calls[name], TRAIN.parameter(name).table, places[name], log)
    numbers = {key: value for key, value in values.items() if not isinstance(value, CallIR)}
    data, optimizer, schedule = (calls[key] for key in ("data", "optimizer", "schedule"))
    return ResolvedTrain(data, optimizer, schedule, calls["on_bad_step"], numbers, places)


def _override_argument(
    override: Override, calls: dict[str, CallIR], places: Places, log: Log
) -> None:
    """Replace an argument of one of the ``calls``, such as ``optimizer.lr``."""
    name = override.key.name
    if name not in calls:
        message, help = f"`{name}` has no arguments to set", f"write `{name}=...`"
        log.report("FFE1019", message, override.place, help=help)
        return
    call = set_argument_of(calls[name], TRAIN.parameter(name).table, override, log)
    if call is not None:
        calls[name], places[name] = call, override.value.span
