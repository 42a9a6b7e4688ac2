"""Resolved values, calls and chains, written as a spec would write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ffebm_dsl.language.ir.model import CallIR, Value
from ffebm_dsl.language.ir.resolve.bind import changed
from ffebm_dsl.language.ir.resolve.scope import show
from ffebm_dsl.language.registry import CONNECTIONS, OPS, TABLES, Parameter, SameAs


def written(value: Value) -> str:
    """``true``, ``0.2``, ``[1, 2]``, ``hflip(p=0.5)``."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, CallIR):
        return written_in_full(value)
    return show(value)


def written_in_full(call: CallIR) -> str:
    """``ep(beta=0.2, estimator=centered, nudge=cotangent)``: every argument by name."""
    return _call(call.name, [f"{key}={written(value)}" for key, value in call.arguments.items()])


def written_briefly(call: CallIR, table: str, *, inferred: str = "") -> str:
    """``conv2d(32, kernel=3)``: without the arguments that have their default.

    ``table`` is the registry table of the call. A required argument at the head of the
    signature stands without its name. ``inferred`` names an argument that a spec does not
    give here.
    """
    parameters = TABLES[table][call.name].parameters
    arguments = [
        written(call.arguments[p.name])
        if p.required and position == 0
        else f"{p.name}={written(call.arguments[p.name])}"
        for position, p in enumerate(parameters)
        if p.name != inferred and call.arguments[p.name] != _default(p, call.arguments)
    ]
    return _call(call.name, arguments)


def feedforward_chain(ops: Sequence[CallIR]) -> str:
    """``conv2d(32, kernel=3) |> max_pool2d(2)``."""
    return " |> ".join(written_briefly(op, "ops") for op in ops)


def coupling_chain(ops: Sequence[CallIR]) -> str:
    """``conv2d(kernel=3) |> max_pool2d(2)``: the ends give the number of channels."""
    return " |> ".join(written_briefly(op, "ops", inferred=OPS[op.name].counted) for op in ops)


def options(connection: str, settings: Mapping[str, Value]) -> str:
    """`` { nonnegative = true }``: the settings of a connection that are not as by default."""
    stated = changed(CONNECTIONS[connection], settings)
    pairs = "  ".join(f"{name} = {written(value)}" for name, value in stated.items())
    return f" {{ {pairs} }}" if pairs else ""


def _default(parameter: Parameter, arguments: Mapping[str, object]) -> object:
    default = parameter.default
    return arguments[default.parameter] if isinstance(default, SameAs) else default


def _call(name: str, arguments: Sequence[str]) -> str:
    return f"{name}({', '.join(arguments)})" if arguments else name
