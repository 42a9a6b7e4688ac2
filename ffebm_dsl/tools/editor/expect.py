"""The constructs and declared names that fit a place in a program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.resolve.params import VALUE_TYPES
from ffebm_dsl.language.registry import (
    CONNECTIONS,
    HARDWARE,
    PHASES,
    TABLES,
    TRAIN,
    Construct,
    Kind,
    Parameter,
)
from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.declarations import Declaration, Scope, inside


class Expected(NamedTuple):
    """``table`` names a registry table whose entries are expected; ``signature`` has the
    arguments or keys that could be named, but those ``stated`` already; ``parameter`` is the
    one whose value is wanted. ``words`` are accepted too.

    ``names`` are kinds of declared names: ``ports``, ``layers``, ``values``, ``templates``,
    ``devices``, ``parts``; ``outputs`` and ``members`` are those of the block ``of``,
    ``formals`` the arguments of the template ``of``. The name is in ``scope``; ``anywhere``
    where it may be declared behind this place.
    """

    table: str = ""
    signature: Construct | None = None
    stated: frozenset[str] = frozenset()
    parameter: Parameter | None = None
    words: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    of: str = ""
    coupling: bool = False
    scope: Scope = ()
    anywhere: bool = False


NOTHING = Expected()
_VALUES = Expected(names=("values",))

_BY_FIELD: Mapping[tuple[type, str], Expected] = MappingProxyType(
    {
        (ast.Param, "type"): Expected(words=tuple(VALUE_TYPES)),
        (ast.Param, "default"): _VALUES._replace(words=("true", "false")),
        (ast.Param, "domain"): _VALUES,
        (ast.Formal, "type"): Expected(words=(*VALUE_TYPES, "port")),
        (ast.Input, "kind"): Expected("inputs"),
        (ast.Target, "kind"): Expected("targets"),
        (ast.Feedforward, "source"): Expected(names=("ports",)),
        (ast.Feedforward, "ops"): Expected("ops"),
        (ast.Readout, "source"): Expected(names=("ports",)),
        (ast.Readout, "ops"): Expected("ops"),
        (ast.Weighted, "weight"): _VALUES,
        # A weight may come first.
        (ast.Weighted, "loss"): Expected("losses", names=("values",)),
        (ast.Relax, "phase"): Expected("phases"),
        (ast.Gradient, "estimator"): Expected("gradients"),
        (ast.Init, "initialiser"): Expected("initialisers"),
        (ast.Instance, "template"): Expected(names=("templates",)),
        (ast.EnergyStatement, "kind"): Expected("energies"),
        (ast.EnergyStatement, "device"): Expected(words=("ideal",), names=("devices",)),
        (ast.LayerStatement, "shape"): _VALUES,
        (ast.LayerStatement, "activation"): Expected("activations"),
        (ast.DriveStatement, "source"): Expected(names=("layers", "ports")),
        (ast.DriveStatement, "target"): Expected(names=("layers",)),
        (ast.DriveStatement, "ops"): Expected("ops", coupling=True),
        (ast.CouplingStatement, "source"): Expected(names=("layers", "ports")),
        (ast.CouplingStatement, "target"): Expected(names=("layers",)),
        (ast.CouplingStatement, "ops"): Expected("ops", coupling=True),
        # As yet, what begins there may be a drive.
        (ast.TermStatement, "layer"): Expected(names=("layers", "ports")),
        (ast.TermStatement, "call"): Expected("terms"),
        (ast.Out, "layer"): Expected(names=("layers",)),
        (ast.Negative, "operand"): _VALUES,
        (ast.Arithmetic, "first"): _VALUES,
        (ast.Arithmetic, "rest"): _VALUES,
    }
)
"""Node and field -> the expected name there, independent of the node's parent."""


def expected(program: ast.Program, place: Span) -> Expected:
    """The names that are expected at ``place``; :data:`NOTHING` where a name is declared."""
    found, section, anywhere = NOTHING, None, False
    scope: Scope = ()
    path = [*_path(program, place)]
    for (node, field), (inner, _) in zip_longest(path, path[1:], fillvalue=(None, "")):
        scope = inside(node, scope)
        match node, field:
            case ast.Relax(), "settings":
                section = PHASES.get(node.phase.text)
            case ast.Train(), "settings":
                section = TRAIN
            case ((ast.DriveStatement() | ast.CouplingStatement()), "settings"):
                section = CONNECTIONS[
                    "drive" if isinstance(node, ast.DriveStatement) else "coupling"
                ]
            case ast.Hardware(), "settings":
                section = HARDWARE
            case ast.Setting(), _:
                found = _of_setting(node, field, section, path)
            case ast.Call(), "arguments":
                anywhere = "templates" not in found.names
                found = _of_argument(node, inner, found, place)
            case ast.ListExpression(), "items":
                found = _of_item(found)
            case ast.Reference(), "member":
                kind = "outputs" if scope else "members"
                found = Expected(names=(kind,), of=node.name.text)
            case _:
                found = _BY_FIELD.get((type(node), field), found)
    return found._replace(scope=scope, anywhere=anywhere)


def _path(node: Any, place: Span) -> Iterator[tuple[Any, str]]:
    """Every node around ``place``, the outermost first, and the field that leads on."""
    while not isinstance(node, ast.Ident):
        found = next(_around(node, place), None)
        if found is None:
            return
        yield node, found[0]
        node = found[1]


def _around(node: Any, place: Span) -> Iterator[tuple[str, Any]]:
    for field in node._fields:
        value = getattr(node, field)
        several = isinstance(value, tuple) and not hasattr(value, "_fields")
        for child in value if several else (value,):
            # The rest of a sum is pairs of an operator and an operand.
            inner = child[1] if field == "rest" else child
            span = getattr(inner, "span", None)
            if span is not None and span.start <= place.start and place.end <= span.end:
                yield field, inner


def _of_setting(
    node: ast.Setting, field: str, section: Construct | None, path: list[tuple[Any, str]]
) -> Expected:
    if section is None:
        return NOTHING
    if field == "value":
        return _of_value(section, node.name.text)
    settings = next(n.settings for n, field in path if field == "settings")
    return Expected(signature=section, stated=_names(s for s in settings if s is not node))


def _of_argument(call: ast.Call, argument: Any, around: Expected, place: Span) -> Expected:
    is_name = argument.name is not None and argument.name.span == place
    stated = _names(a for a in call.arguments if a is not argument and a.name)
    if "templates" in around.names:
        names = ("formals",) if is_name or argument.name is None else ()
        of = call.name.text
        return Expected(names=(*names, "values", "ports"), of=of, stated=stated)
    signature = TABLES[around.table].get(call.name.text) if around.table else None
    if signature is None:
        return _VALUES
    if argument.name is not None:
        value = _of_value(signature, argument.name.text)
        return Expected(signature=signature, stated=stated) if is_name else value
    position = call.arguments.index(argument)
    known = position < len(signature.names)
    value = _of_value(signature, signature.names[position]) if known else _VALUES
    # A loss takes its two ports by position alone.
    named = argument.value.span == place and (around.table != "losses" or position > 1)
    return value._replace(signature=signature, stated=stated) if named else value


def _names(parts: Any) -> frozenset[str]:
    return frozenset(part.name.text for part in parts)


def _of_item(around: Expected) -> Expected:
    parameter = around.parameter
    if parameter is not None and parameter.kind is Kind.CALLS:
        return Expected(parameter.table)
    return _VALUES


def _of_value(signature: Construct, name: str) -> Expected:
    """The value of a parameter: an entry of its table, a port, a number."""
    if name not in signature.names:
        return _VALUES
    parameter = signature.parameter(name)
    names = {Kind.PORT: ("ports",), Kind.PART: ("parts",)}.get(parameter.kind, ("values",))
    if parameter.kind is Kind.CALL:
        return Expected(parameter.table, parameter=parameter)
    if parameter.kind in (Kind.CHOICE, Kind.STRING, Kind.CALLS):
        return Expected(parameter=parameter)
    return Expected(parameter=parameter, names=names)


PORTS = frozenset({"input", "feedforward", "block", "readout"})
PARTS = PORTS - {"input"}


def candidates(wanted: Expected, declared: Sequence[Declaration]) -> Iterator[Declaration]:
    """The declared names that fit ``wanted``, kind by kind.

    A template sees its own names and the params alone, a block the model's ports too.
    """
    # A block that is made from a template has the template's outputs.
    owners = [
        (block.template,) if block.template else (*block.scope, block.name)
        for block in declared
        if (block.keyword, block.name, block.scope) == ("block", wanted.of, wanted.scope[:1])
    ]
    for kind in wanted.names:
        if kind == "ports" and wanted.parameter and wanted.parameter.name == "target":
            kind = "target"
        yield from (found for found in declared if _fits(kind, found, wanted, owners))


def _fits(kind: str, found: Declaration, wanted: Expected, owners: Sequence[Scope]) -> bool:
    """Whether ``found`` is a name of a kind that can be seen from the place."""
    around = found.scope == wanted.scope[: len(found.scope)]
    match kind, found.keyword:
        case ("values", "param") | ("devices", "hardware") | ("templates", "template"):
            return True
        case ("values" | "ports", "formal") | ("target", "target"):
            return around
        case "ports", keyword if keyword in PORTS:
            itself = keyword == "block" and (*found.scope, found.name) == wanted.scope
            return around and not itself
        case "layers", "layer":
            return found.scope == wanted.scope
        case "parts", keyword:
            return keyword in PARTS and len(found.scope) == 1
        case "outputs", "out":
            return found.scope in owners
        case "members", "feedforward":
            return found.scope[1:] == (wanted.of,)
        case "formals", "formal":
            return found.scope[-1:] == (wanted.of,)
    return False
