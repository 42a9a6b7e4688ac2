"""Are the calls of an IR ones that their constructs take: names, types, bounds?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.diagnostics.nearest import did_you_mean
from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.registry import TABLES, Construct, Kind, Parameter, Table

ConstructT = TypeVar("ConstructT", bound=Construct)

_TYPES: Mapping[Kind, type | tuple[type, ...]] = {
    Kind.INT: int,
    Kind.REAL: (int, float),
    Kind.BOOL: bool,
    Kind.STRING: str,
    Kind.CHOICE: str,
    Kind.REALS: tuple,
    Kind.CALL: CallIR,
    Kind.CALLS: tuple,
    Kind.PORT: str,
    Kind.PART: str,
}


def fault(place: str, message: str, help: str = "") -> InputError:
    """The error that something in an IR is wrong at ``place``."""
    return InputError(f"this network contradicts itself at `{place}`: {message}", help=help)


def known(table: Table[ConstructT], name: str, place: str) -> ConstructT:
    """The construct of that name.

    Raises:
        InputError: there is none.
    """
    if name not in table:
        raise fault(place, f"no {table.noun} is called `{name}`", did_you_mean(name, table))
    return table[name]


def verify_call(call: CallIR, table: str, place: str) -> None:
    """Raise InputError unless ``call`` is one that its construct takes, all arguments stated."""
    verify_values(known(TABLES[table], call.name, place), call.arguments, place)


def verify_values(construct: Construct, values: Mapping[str, Any], place: str) -> None:
    """Raise InputError unless these are the construct's arguments, each as its parameter says."""
    for name in values:
        if name not in construct.names:
            message = f"`{construct.name}` has nothing called `{name}`"
            raise fault(place, message, did_you_mean(name, construct.names))
    for parameter in construct.parameters:
        if parameter.name not in values:
            raise fault(place, f"`{construct.name}` needs `{parameter.name}`")
        _verify_value(parameter, values[parameter.name], place)


def _is_of(value: object, kind: Kind) -> bool:
    # To Python a truth value is a number too.
    return isinstance(value, _TYPES[kind]) and isinstance(value, bool) == (kind is Kind.BOOL)


def _verify_value(parameter: Parameter, value: Any, place: str) -> None:
    def wrong(wanted: object) -> InputError:
        return fault(place, f"`{parameter.name}` must be {wanted}, and is {value!r:.60}")

    if parameter.kind in (Kind.INT, Kind.REAL) and value in parameter.choices:
        return
    if not _is_of(value, parameter.kind):
        raise wrong(f"a {parameter.kind}")
    match parameter.kind:
        case Kind.INT | Kind.REAL:
            if not parameter.bounds.admits(value):
                raise wrong(parameter.bounds)
        case Kind.REALS:
            if not all(isinstance(x, float) and parameter.bounds.admits(x) for x in value):
                raise wrong(f"numbers, each {parameter.bounds}")
        case Kind.CHOICE:
            if value not in parameter.choices:
                raise wrong(f"one of {', '.join(parameter.choices)}")
        case Kind.CALL:
            verify_call(value, parameter.table, place)
        case Kind.CALLS:
            for call in value:
                verify_call(call, parameter.table, place)
