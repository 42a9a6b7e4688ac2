"""Arguments -> values, by a registry signature: names, types, ranges, defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ffebm_dsl.language.diagnostics import InputError, Span
from ffebm_dsl.language.diagnostics.fix import nearest, replace
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import CallIR, Value
from ffebm_dsl.language.ir.resolve.scope import Scope, evaluate, facts, show
from ffebm_dsl.language.registry import REQUIRED, TABLES, Construct, Kind, Parameter, SameAs, Table
from ffebm_dsl.language.registry.packages import offers, release
from ffebm_dsl.language.syntax import ast

Values = dict[str, Value]
_Entry = Callable[[ast.Expression, Parameter, Scope], "Value | None"]

Given = ast.Argument | ast.Setting
"""A value as written, of an argument or a key."""


@dataclass(frozen=True)
class BoundCall:
    """A construct with all its arguments, and where they are in the text."""

    name: str
    arguments: Values
    span: Span
    places: Mapping[str, Span] = field(default_factory=dict)
    facts: tuple[str, ...] = ()

    @property
    def ir(self) -> CallIR:
        return CallIR(self.name, self.arguments)


ConstructT = TypeVar("ConstructT", bound=Construct)


def find(table: Table[ConstructT], name: ast.Ident, scope: Scope) -> ConstructT | None:
    """The construct of ``table`` that is called ``name``; None after reporting that none is.

    Nothing is reported if a package that could not be loaded may have it.
    """
    visible = table.visible(scope.packages.names)
    if name.text in visible:
        try:
            return visible[name.text]
        except InputError as error:  # the file of a package
            scope.log.report("FFE1020", error.message, name.span, help=error.help)
            return None
    if not scope.packages.complete:
        return None
    offer = next(iter(offers(table.name, name.text)), None)
    message = f"no {table.noun} is called `{name.text}`"
    if offer:
        use = f"use {offer.name} >= {release(offer.version)}"
        help = f"`{offer.name}` brings one: add `{use}`"
        scope.log.report("FFE1005", message, name.span, help=help)
    else:
        scope.log.report_unknown("FFE1005", message, name.span, name.text, visible)
    return None


def bind_call(
    call: ast.Call,
    table: str,
    scope: Scope,
    *,
    optional: frozenset[str] = frozenset(),
) -> BoundCall | None:
    """The entry of ``table`` that ``call`` names, with its arguments; None after a fault.

    ``optional`` parameters may be left out and are then absent from the result.
    """
    signature = find(TABLES[table], call.name, scope)
    if signature is None:
        return None
    return bind_arguments(signature, call, call.arguments, scope, optional=optional)


def bind_arguments(
    signature: Construct,
    call: ast.Call,
    given: Sequence[ast.Argument],
    scope: Scope,
    *,
    optional: frozenset[str] = frozenset(),
) -> BoundCall | None:
    """``call`` of ``signature`` with the arguments ``given``; None after a fault."""
    values = bind(signature, given, call.name.span, scope, optional=optional)
    if values is None or not check_agreement(signature, values, call.span, scope.log):
        return None
    names = signature.names
    places = {a.name.text if a.name else names[i]: a.span for i, a in enumerate(given)}
    known = facts(tuple(a.value for a in given), scope)
    return BoundCall(signature.name, values, call.span, places, known)


def check_agreement(signature: Construct, values: Values, span: Span, log: Log) -> bool:
    """Report arguments that contradict each other; whether they go together.

    An op of a coupling without its output count is left to its shape rule.
    """
    conflict = None if set(signature.names) - values.keys() else signature.conflict(values)
    if conflict is not None:
        message, remedy = conflict
        log.report("FFE1023", message, span, help=remedy)
    return conflict is None


def bind(
    signature: Construct,
    given: Iterable[Given],
    span: Span,
    scope: Scope,
    *,
    overrides: Iterable[Given] = (),
    optional: frozenset[str] = frozenset(),
) -> Values | None:
    """All arguments of ``signature``, defaults filled in; None after a reported fault.

    ``overrides`` replace what is ``given``, by name; no values have names in them.
    """
    stated, complete = bind_given(signature, given, scope)
    nameless = Scope(scope.log, packages=scope.packages)
    overriding, unhurt = bind_given(signature, overrides, nameless)
    stated |= overriding
    complete = complete and unhurt
    known = {*stated, *optional}
    missing = [p for p in signature.parameters if p.required and p.name not in known]
    if missing and complete:
        _report_missing(signature, missing[0], span, scope)
    return None if missing or not complete else fill_defaults(signature, stated, optional)


def bind_given(signature: Construct, given: Iterable[Given], scope: Scope) -> tuple[Values, bool]:
    """The arguments that are stated, and whether all of them were right."""
    arguments, complete = match_parameters(signature, f"`{signature.name}`", given, scope.log)
    values: Values = {}
    for name, argument in arguments.items():
        value = value_of(argument.value, signature.parameter(name), scope)
        if value is not None:
            values[name] = value
    return values, complete and len(values) == len(arguments)


def match_parameters(
    signature: Construct, title: str, given: Iterable[Given], log: Log
) -> tuple[dict[str, Given], bool]:
    """The arguments by the names of their parameters, and whether each is for one of its own.

    ``title`` is what messages call the ``signature``.
    """
    matched: dict[str, Given] = {}
    right = True
    for position, argument in enumerate(given):
        name = _name_of(signature, title, position, argument, log)
        if name in matched:
            place = (argument.name or argument.value).span
            log.report("FFE1008", f"`{name}` is given twice", place)
        if name is None or name in matched:
            right = False
        else:
            matched[name] = argument
    return matched, right


def fill_defaults(
    signature: Construct, stated: Values, optional: frozenset[str] = frozenset()
) -> Values:
    """``stated`` in the signature's order, with the default of what is not stated."""
    values: Values = {}
    for parameter in signature.parameters:
        if parameter.name in stated:
            values[parameter.name] = stated[parameter.name]
        elif parameter.name not in optional:
            values[parameter.name] = _default(parameter, values)
    return values


def changed(signature: Construct, values: Mapping[str, Value]) -> Values:
    """The values that are not as by default."""
    given = {**dict.fromkeys(signature.names), **values}
    return {
        p.name: values[p.name]
        for p in signature.parameters
        if p.name in values and (p.required or values[p.name] != _default(p, given))
    }


def _default(parameter: Parameter, values: Mapping[str, Any]) -> Any:
    default = parameter.default
    if isinstance(default, SameAs):
        return values[default.parameter]
    if parameter.kind is Kind.CALL and default not in parameter.choices:
        signature = TABLES[parameter.table][str(default)]
        return CallIR(signature.name, fill_defaults(signature, {}))
    assert default is not REQUIRED, "a missing argument was reported as a fault"
    return default


def _name_of(signature: Construct, title: str, position: int, given: Given, log: Log) -> str | None:
    """The name of the parameter that an argument is for; None after reporting there is none."""
    names = signature.names
    if given.name is None:
        if position < len(names):
            return names[position]
        takes = f"{len(names) or 'no'} argument{'' if len(names) == 1 else 's'}"
        log.report("FFE1008", f"{title} takes {takes}", given.value.span)
        return None
    name, span = given.name.text, given.name.span
    if name in names:
        return name
    message = f"{title} has nothing called `{name}`"
    if name in signature.removed:
        log.report("FFE1006", message, span, help=signature.removed[name])
    else:
        log.report_unknown("FFE1006", message, span, name, names)
    return None


def _report_missing(signature: Construct, parameter: Parameter, span: Span, scope: Scope) -> None:
    visible = TABLES[parameter.table].visible(scope.packages.names) if parameter.table else ()
    known = f" ({', '.join(visible)})" if visible else ""
    scope.log.report(
        "FFE1007",
        f"`{signature.name}` needs `{parameter.name}`",
        span,
        help=f"add `{parameter.name}=...`: {parameter.doc}{known}",
    )


def value_of(expression: ast.Expression, parameter: Parameter, scope: Scope) -> Value | None:
    """The value of ``expression`` as ``parameter`` takes it; None after a reported fault."""
    if parameter.choices and _is_word(expression, parameter, scope):
        return _choice(expression, parameter, scope)
    match parameter.kind:
        case Kind.INT | Kind.REAL | Kind.BOOL:
            return _scalar(expression, parameter, scope)
        case Kind.PAIR:
            return _pair(expression, parameter, scope)
        case Kind.REALS:
            return _list(expression, parameter, scope, _scalar)
        case Kind.CALLS:
            return _list(expression, parameter, scope, _call)
        case Kind.CALL:
            return _call(expression, parameter, scope)
        case Kind.STRING:
            if isinstance(expression, ast.String):
                return expression.value
        case Kind.PART | Kind.PORT:
            # A name of the model, which is looked up where the model is known.
            if isinstance(expression, ast.Reference):
                return str(expression)
    _wrong_type(expression, parameter, scope.log)
    return None


def _wrong_type(
    expression: ast.Expression, parameter: Parameter, log: Log, found: str = ""
) -> None:
    words = "".join(f" or `{word}`" for word in parameter.choices)
    kind = _WANTED.get(parameter.kind, f"a {parameter.kind}")
    wanted = f"`{parameter.name}` takes {kind}{words}"
    log.report("FFE1009", f"{wanted}, not {found}" if found else wanted, expression.span)


_WANTED = {
    Kind.BOOL: "true or false",
    Kind.INT: "a whole number",
    Kind.PAIR: "a whole number, or a list of one for rows and one for columns",
    Kind.REAL: "a number",
    Kind.REALS: "a list of numbers",
    Kind.STRING: 'a string such as "name"',
    Kind.PORT: "a port, such as x or b1.skip",
    Kind.PART: "the name of a part, such as b1 or b1.u",
}


_ENTRIES = {Kind.REALS: Kind.REAL, Kind.PAIR: Kind.INT}
"""Kind of a list -> kind of its entries."""


def _scalar(expression: ast.Expression, parameter: Parameter, scope: Scope) -> Value | None:
    if isinstance(expression, ast.String | ast.ListExpression | ast.Call):
        _wrong_type(expression, parameter, scope.log)
        return None
    value = evaluate(expression, scope)
    if value is None:
        return None
    kind = _ENTRIES.get(parameter.kind, parameter.kind)
    if isinstance(value, bool) != (kind is Kind.BOOL):
        _wrong_type(expression, parameter, scope.log, show(value))
        return None
    if kind is Kind.INT and isinstance(value, float):
        code, wanted = "FFE1011", "takes a whole number"
    elif kind is not Kind.BOOL and not parameter.bounds.admits(value):
        code, wanted = "FFE1010", f"must be {parameter.bounds}"
    else:
        return float(value) if kind is Kind.REAL else value
    message = f"`{parameter.name}` {wanted}, and this is {show(value)}"
    scope.log.report(code, message, expression.span, notes=facts((expression,), scope))
    return None


def _pair(expression: ast.Expression, parameter: Parameter, scope: Scope) -> Value | None:
    items = expression.items if isinstance(expression, ast.ListExpression) else (expression,) * 2
    if len(items) != 2 or any(isinstance(item, ast.String | ast.Call) for item in items):
        _wrong_type(expression, parameter, scope.log)
        return None
    rows = _scalar(items[0], parameter, scope)
    if items[0] is items[1]:
        return rows
    columns = _scalar(items[1], parameter, scope)
    if rows is None or columns is None:
        return None
    return rows if rows == columns else (rows, columns)


def _list(
    expression: ast.Expression, parameter: Parameter, scope: Scope, entry: _Entry
) -> Value | None:
    if not isinstance(expression, ast.ListExpression):
        _wrong_type(expression, parameter, scope.log)
        return None
    values = [entry(item, parameter, scope) for item in expression.items]
    if parameter.kind is Kind.REALS and not values:
        scope.log.report("FFE1010", f"`{parameter.name}` needs an entry", expression.span)
        return None
    known = tuple(value for value in values if value is not None)
    return known if len(known) == len(values) else None


def _call(expression: ast.Expression, parameter: Parameter, scope: Scope) -> Value | None:
    if isinstance(expression, ast.Reference) and expression.member is None:
        expression = ast.Call(expression.span, expression.name, ())
    if not isinstance(expression, ast.Call):
        table = TABLES[parameter.table]
        one = f"{'an' if table.noun[0] in 'aeiou' else 'a'} {table.noun}"
        wanted = f"a list of {table.noun}s" if parameter.kind is Kind.CALLS else one
        help = f"known here: {', '.join(table.visible(scope.packages.names))}"
        scope.log.report(
            "FFE1009", f"`{parameter.name}` takes {wanted}", expression.span, help=help
        )
        return None
    bound = bind_call(expression, parameter.table, scope)
    return bound.ir if bound else None


def _is_word(expression: ast.Expression, parameter: Parameter, scope: Scope) -> bool:
    """Whether a word is wanted, or given where a number could be; a word goes before a value of
    the same name."""
    if parameter.kind is Kind.CHOICE or not isinstance(expression, ast.Reference):
        return parameter.kind is Kind.CHOICE
    if str(expression) in parameter.choices:
        return True
    # Of other names those of numbers are values, and those of calls constructs.
    return parameter.kind is not Kind.CALL and str(expression) not in scope.values


def _choice(expression: ast.Expression, parameter: Parameter, scope: Scope) -> Value | None:
    word = str(expression) if isinstance(expression, ast.Reference) else ""
    if word in parameter.choices:
        return word
    close = nearest(word, parameter.choices) if word else ""
    number = "" if parameter.kind is Kind.CHOICE else f"{_WANTED[parameter.kind]} or "
    scope.log.report(
        "FFE1010",
        f"`{parameter.name}` is {number}one of {', '.join(parameter.choices)}",
        expression.span,
        help=f"did you mean `{close}`?" if close else "",
        fix=replace(expression.span, close) if close else None,
    )
    return None
