"""Random arguments of constructs, from their parameters."""

from __future__ import annotations

from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from ffebm_dsl.language.registry import Construct, Kind, Parameter, SameAs


def arguments(draw: st.DrawFn, construct: Construct) -> dict[str, Any]:
    """A value for every parameter, the small ones that sizes are made of."""
    values: dict[str, Any] = {}
    for parameter in construct.parameters:
        default = parameter.default
        same = isinstance(default, SameAs) and draw(st.booleans())
        if same and isinstance(default, SameAs):
            values[parameter.name] = values[default.parameter]
        else:
            values[parameter.name] = draw(value(parameter))
    assume(construct.conflict(values) is None)
    return values


def value(parameter: Parameter) -> st.SearchStrategy[Any]:
    low, high = parameter.bounds.low, parameter.bounds.high
    match parameter.kind:
        case Kind.INT:
            return st.integers(int(max(low, 0)), int(min(high, 5)))
        case Kind.PAIR:
            sizes = st.integers(int(max(low, 0)), int(min(high, 5)))
            return sizes | st.tuples(sizes, sizes).filter(lambda two: two[0] != two[1])
        case Kind.REAL:
            inside = st.floats(max(low, 0.0) + 0.01, min(high, 3.0) - 0.01)
            return inside.filter(parameter.bounds.admits)
        case Kind.PORT:
            return st.just("x")
        case Kind.BOOL:
            return st.booleans()
        case Kind.CHOICE:
            return st.sampled_from(parameter.choices)
        case Kind.REALS:
            return st.lists(st.floats(0.1, 9), min_size=1, max_size=3).map(tuple)
        case Kind.CALL:
            return st.just(parameter.default)
        case Kind.CALLS:
            return st.just(())
    raise AssertionError(f"no random value of kind {parameter.kind}")
