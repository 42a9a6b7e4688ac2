"""Statements that a model and a block have in common: relax, gradient, init, chains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ffebm_dsl.language.diagnostics import Label, Span
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import RelaxIR
from ffebm_dsl.language.ir.resolve.bind import (
    BoundCall,
    ConstructT,
    Values,
    bind_call,
    bind_given,
    fill_defaults,
)
from ffebm_dsl.language.ir.resolve.ports import Ports
from ffebm_dsl.language.ir.resolve.resolved import ResolvedChain, ResolvedMap
from ffebm_dsl.language.ir.resolve.scope import Scope
from ffebm_dsl.language.registry import (
    GRADIENTS,
    INITIALISERS,
    OPS,
    PHASES,
    Construct,
    OpConstruct,
    Table,
)
from ffebm_dsl.language.syntax import ast

StatementT = TypeVar("StatementT", bound=ast.Node)


@dataclass(frozen=True)
class Inherited:
    """How blocks relax and learn: what a model states, a block inherits and may override.

    ``phases`` holds the keys that are stated, per phase; ``gradient`` is None after a fault.
    ``own`` and ``changed`` are as in a resolved block.
    """

    phases: dict[str, Values] = field(default_factory=dict)
    gradient: BoundCall | None = field(default_factory=lambda: _by_default("ep", GRADIENTS))
    init: BoundCall = field(default_factory=lambda: _by_default("default", INITIALISERS))
    own: dict[str, Span] = field(default_factory=dict)
    changed: dict[str, Span] = field(default_factory=dict)

    def relax(self, phase: str) -> RelaxIR:
        """The phase with all keys, defaults filled in."""
        values = fill_defaults(PHASES[phase], self.phases.get(phase, {}))
        # Only the free phase has a choice of where to start.
        values.setdefault("start", "free state")
        return RelaxIR(**values)  # type: ignore[arg-type]


def _by_default(name: str, table: Table[ConstructT]) -> BoundCall:
    return BoundCall(name, fill_defaults(table[name], {}), Span(0, 0))


def override_settings(outer: Inherited, statements: Iterable[ast.Node], scope: Scope) -> Inherited:
    """``outer`` with what ``statements`` say: relax key by key, gradient and init whole."""
    statements = tuple(statements)
    phases, own = dict(outer.phases), dict(outer.own)
    stated: dict[str, ast.Relax] = {}
    for relax in of_type(statements, ast.Relax):
        phase = relax.phase.text
        if phase not in PHASES:
            message = f"no phase is called `{phase}`"
            scope.log.report_unknown("FFE1005", message, relax.phase.span, phase, PHASES)
        elif phase in stated:
            report_twice(f"relax {phase}", relax, stated[phase], scope.log)
        else:
            stated[phase] = relax
            keys, _ = bind_given(PHASES[phase], relax.settings, scope)
            phases[phase] = phases.get(phase, {}) | keys
            own |= {f"relax.{phase}.{key}": relax.span for key in keys}
    gradient, init = outer.gradient, outer.init
    said = at_most_one(statements, ast.Gradient, "gradient", scope.log)
    if said:
        gradient = bind_call(said.estimator, "gradients", scope)
        own["gradient"] = said.span
    drawn = at_most_one(statements, ast.Init, "init", scope.log)
    if drawn:
        init = bind_call(drawn.initialiser, "initialisers", scope) or init
        own["init"] = drawn.span
    return Inherited(phases, gradient, init, own, outer.changed)


def resolve_settings(
    connection: Construct, at: ast.DriveStatement | ast.CouplingStatement, scope: Scope
) -> Values:
    """The settings of a drive or coupling, defaults filled in; faulty ones are reported."""
    stated, _ = bind_given(connection, at.settings, scope)
    return fill_defaults(connection, stated)


def resolve_chain(
    ops: Sequence[ast.Call],
    at: ast.Node,
    scope: Scope,
    *,
    ports: Ports | None = None,
    coupling: bool = False,
) -> ResolvedChain:
    """A chain of ops; in a coupling the last weight's output count may be left out.

    ``ports`` are those that ops of a map can read.
    """
    span = ops[0].span.to(ops[-1].span) if ops else at.span
    known = OPS.visible(scope.packages.names)
    last = last_weight(ops, known) if coupling else -1
    bound = []
    for position, op in enumerate(ops):
        optional = frozenset({known[op.name.text].counted} if position == last else ())
        call = bind_call(op, "ops", scope, optional=optional)
        if call is not None and ports is not None and known[call.name].joins:
            call = _with_port(call, op, ports, scope.log)
        bound.append(call)
    return ResolvedChain(tuple(bound), span)


def resolve_map(
    statement: ast.Feedforward | ast.Readout, port: str, ports: Ports, scope: Scope
) -> ResolvedMap:
    """A map or readout that reads ``ports``, and whose result is ``port``."""
    source = ports.resolve(statement.source, scope.log)
    chain = resolve_chain(statement.ops, statement.source, scope, ports=ports)
    return ResolvedMap(statement.name.text, port, source, chain, statement.name.span)


def _with_port(call: BoundCall, text: ast.Call, ports: Ports, log: Log) -> BoundCall | None:
    """An op with the port that it reads; None after reporting that there is none of that name."""
    (argument,) = (a for a in text.arguments if a.span == call.places["port"])
    assert isinstance(argument.value, ast.Reference)
    name = ports.resolve(argument.value, log).name
    return replace(call, arguments={**call.arguments, "port": name}) if name else None


def last_weight(ops: Sequence[ast.Call], known: Mapping[str, OpConstruct]) -> int:
    """Position of the last op with a weight, -1 where there is none."""
    names = [op.name.text for op in ops]
    weighted = [i for i, name in enumerate(names) if name in known and known[name].counted]
    return weighted[-1] if weighted else -1


def of_type(statements: Iterable[ast.Node], kind: type[StatementT]) -> list[StatementT]:
    return [statement for statement in statements if isinstance(statement, kind)]


def at_most_one(
    statements: Iterable[ast.Node], kind: type[StatementT], name: str, log: Log
) -> StatementT | None:
    """The only statement of a kind; further ones are reported, and the first one counts."""
    found = of_type(statements, kind)
    for again in found[1:]:
        report_twice(name, again, found[0], log)
    return found[0] if found else None


def report_twice(name: str, again: ast.Node, first: ast.Node, log: Log) -> None:
    log.report(
        "FFE1015",
        f"`{name}` is stated twice",
        again.span,
        labels=[Label(first.span, "first stated here")],
    )
