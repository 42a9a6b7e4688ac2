"""Values of ``param`` declarations, defaults or overrides, and the overrides themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.log import FAR, Log
from ffebm_dsl.language.ir.resolve.bind import value_of
from ffebm_dsl.language.ir.resolve.overrides import Override
from ffebm_dsl.language.ir.resolve.ports import declare
from ffebm_dsl.language.ir.resolve.scope import Bound, Scalar, Scope, show
from ffebm_dsl.language.registry import Kind, Parameter
from ffebm_dsl.language.syntax import ast

VALUE_TYPES: Mapping[str, Kind] = {"int": Kind.INT, "real": Kind.REAL, "bool": Kind.BOOL}

MAX_REFERENCES = 64
"""Params that refer to later params, one after the other."""


def as_parameter(
    name: str, type_: ast.Ident, log: Log, extra: tuple[str, ...] = ()
) -> Parameter | None:
    """A declared name as a parameter of its type; None after reporting an unknown type."""
    if type_.text in VALUE_TYPES:
        return Parameter(name, VALUE_TYPES[type_.text], "")
    if type_.text in extra:
        return Parameter(name, Kind.PORT, "")
    message = f"no type is called `{type_.text}`"
    log.report_unknown("FFE1017", message, type_.span, type_.text, (*VALUE_TYPES, *extra))
    return None


class _Values(Mapping[str, Bound]):
    """Values by name, each evaluated when first asked for, so that order does not matter."""

    def __init__(
        self, params: Mapping[str, ast.Param], overrides: Mapping[str, Override], log: Log
    ):
        self._params = params
        self._overrides = overrides
        self._log = log
        self._known: dict[str, Bound] = {}
        self._open: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def __contains__(self, name: object) -> bool:
        return name in self._params

    def __getitem__(self, name: str) -> Bound:
        if name in self._known:
            return self._known[name]
        param = self._params[name]
        if name in self._open or len(self._open) == MAX_REFERENCES:
            why = "needs itself" if name in self._open else "is too many references away"
            self._log.report("FFE1016", f"the value of `{name}` {why}", param.default.span)
            return Bound(None, param.name.span, "")
        self._open.append(name)
        value, origin = self._value(param)
        self._open.pop()
        self._known[name] = Bound(value, param.name.span, origin)
        return self._known[name]

    def _value(self, param: ast.Param) -> tuple[Scalar | None, str]:
        log = self._log
        parameter = as_parameter(param.name.text, param.type, log)
        if parameter is None:
            return None, ""
        scope = Scope(log, self)
        value = value_of(param.default, parameter, scope)
        domain = _domain(param, parameter, scope)
        line, _ = log.source.position(param.span.start)
        override = self._overrides.get(param.name.text)
        if override is None:
            if not _check_domain(value, domain, param, param.default.span, log):
                value = None
            return _scalar(value), f"default, line {line}"
        given = value_of(override.value, parameter, override.scope)
        if not _check_domain(given, domain, param, override.value.span, log):
            given = None
        return _scalar(given), "by --set"


def _scalar(value: object) -> Scalar | None:
    return value if isinstance(value, bool | int | float) else None


def _domain(param: ast.Param, parameter: Parameter, scope: Scope) -> tuple[object, ...] | None:
    """The values a param may have; None for any, and after a fault in one of them."""
    if param.domain is None:
        return None
    values = tuple(value_of(item, parameter, scope) for item in param.domain.items)
    return None if None in values else values


def _check_domain(
    value: object,
    domain: tuple[object, ...] | None,
    param: ast.Param,
    span: Span,
    log: Log,
) -> bool:
    if value is None or domain is None or value in domain:
        return True
    line, _ = log.source.position(param.span.start)
    log.report(
        "FFE1010",
        f"`{param.name.text}` must be one of {show(domain)}, and this is {show(value)}",
        span,
        notes=(f"declared in {log.source.name}, line {line}",) if span.start >= FAR else (),
    )
    return False


def resolve_params(
    params: list[ast.Param], overrides: Mapping[str, Override], log: Log
) -> dict[str, Bound]:
    """The value of every param by name."""
    names: dict[str, Span] = {}
    known = {p.name.text: p for p in params if declare(names, p.name, log)}
    values = _Values(known, overrides, log)
    return {name: values[name] for name in values}
