"""``--set`` for values that are calls: whole ones, and one argument of a call."""

from __future__ import annotations

from collections.abc import Mapping

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.diagnostics.fix import did_you_mean, respell
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.ir.resolve.bind import value_of
from ffebm_dsl.language.ir.resolve.params import MODEL_KEYS, Override
from ffebm_dsl.language.ir.resolve.resolved import Estimator
from ffebm_dsl.language.ir.resolve.statements import Settings
from ffebm_dsl.language.registry import TABLES, Kind, Parameter

_TABLES: Mapping[str, str] = dict(zip(MODEL_KEYS, ("gradients", "initialisers"), strict=True))


def set_argument_of(call: CallIR, table: str, override: Override, log: Log) -> CallIR | None:
    """``call`` with the argument that ``override.key`` names after its point replaced.

    None after reporting that there is no such argument, or a value that does not fit it.
    """
    head, _, name = override.key.partition(".")
    signature = TABLES[table][call.name]
    if name not in signature.names:
        log.report(
            "FFE1019",
            f"`{call.name}` has nothing called `{name}` to set",
            Span(0, len(override.key)),
            help=did_you_mean(name, signature.names),
            fix=respell(Span(len(head) + 1, len(override.key)), name, signature.names),
            source=override.scope.source,
        )
        return None
    value = value_of(override.value, signature.parameter(name), override.scope, log)
    return None if value is None else CallIR(call.name, {**call.arguments, name: value})


def set_statements(
    settings: Settings, overrides: Mapping[str, Override], place: Span, log: Log
) -> Settings:
    """The model's gradient and initialiser with what ``--set`` says of them.

    ``place`` is where messages about a gradient point that the text does not state. Blocks
    with statements of their own keep them.
    """
    gradient, init = settings.gradient.call, settings.init
    # A whole statement first, whatever the order on the command line: arguments refine it.
    for key in sorted(overrides, key=lambda key: "." in key):
        head = key.partition(".")[0]
        before = init if head == "init" else gradient.ir if gradient else None
        call = _set_call(before, _TABLES[head], overrides[key], log)
        if call is None:
            continue
        if head == "init":
            init = call
        elif gradient is not None:
            span = gradient.span if gradient.span.end else place
            gradient = type(gradient)(call.name, call.arguments, span)
    return Settings(settings.phases, Estimator(gradient, settings.gradient.inherited), init)


def _set_call(before: CallIR | None, table: str, override: Override, log: Log) -> CallIR | None:
    if "." in override.key:
        return set_argument_of(before, table, override, log) if before is not None else None
    parameter = Parameter(override.key, Kind.CALL, "", table=table)
    value = value_of(override.value, parameter, override.scope, log)
    return value if isinstance(value, CallIR) else None
