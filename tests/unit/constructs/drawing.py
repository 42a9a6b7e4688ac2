"""Random valid arguments of any construct, small enough to be built and run."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.ir.resolve.bind import fill_defaults
from ffebm_dsl.language.registry import (
    TABLES,
    Construct,
    Fit,
    Kind,
    OpConstruct,
    OpIR,
    Parameter,
)

TRIES = 30
"""How often arguments and a shape are drawn until an op takes the shape."""


def _number(draw: st.DrawFn, parameter: Parameter) -> int | float:
    bounds, whole = parameter.bounds, parameter.kind is Kind.INT
    low = max(bounds.low, -2)
    high = min(bounds.high, low + (3 if whole else 2))
    if whole:
        return draw(st.integers(math.ceil(low), math.floor(high)))
    value = draw(st.floats(low, high).filter(bounds.admits))
    # A slope of 1e-300 is legal, and nothing that float64 can compute with; derivatives of a
    # softmax at a temperature of 1e-2 vanish but for rounding.
    return value if value == 0 or abs(value) > 0.05 else max(low, 0.0) + 0.5 * (high - low)


def _value(draw: st.DrawFn, parameter: Parameter) -> Any:
    match parameter.kind:
        case Kind.INT | Kind.REAL:
            return _number(draw, parameter)
        case Kind.PAIR:
            single = replace(parameter, kind=Kind.INT)
            rows, columns = (int(_number(draw, single)) for _ in range(2))
            return rows if rows == columns or draw(st.booleans()) else (rows, columns)
        case Kind.PORT:
            return "x"
        case Kind.BOOL:
            return draw(st.booleans())
        case Kind.CHOICE:
            return draw(st.sampled_from(parameter.choices))
        case Kind.REALS:
            return tuple(sorted(_number(draw, parameter) for _ in range(draw(st.integers(1, 3)))))
        case Kind.CALL:
            if parameter.choices and draw(st.booleans()):
                return draw(st.sampled_from(parameter.choices))
            name = draw(st.sampled_from(sorted(TABLES[parameter.table])))
            construct = TABLES[parameter.table][name]
            return CallIR(name, arguments(draw, construct))
    raise AssertionError(f"no random value of kind {parameter.kind}")


def arguments(draw: st.DrawFn, construct: Construct, *but: Kind) -> dict[str, Any]:
    """All arguments of ``construct``; those of the kinds ``but`` have their defaults."""
    stated = {p.name: _value(draw, p) for p in construct.parameters if p.kind not in but}
    values = fill_defaults(construct, stated)
    assume(construct.conflict(values) is None)
    return values


@st.composite
def calls(draw: st.DrawFn, construct: Construct, *but: Kind) -> dict[str, Any]:
    return arguments(draw, construct, *but)


@st.composite
def ops(draw: st.DrawFn, construct: OpConstruct) -> OpIR:
    """The op with random arguments between a random shape and the one that its rule gives."""
    for _ in range(TRIES):
        stated = arguments(draw, construct)
        rank = draw(st.sampled_from((1, 2, 3)))
        shape = tuple(draw(st.integers(1, 6)) for _ in range(rank))
        fit = construct.shape(stated, shape, *[shape] * construct.joins)
        if isinstance(fit, Fit):
            return OpIR(construct.name, stated, shape, fit.shape)
    assume(False)
    raise AssertionError
