"""A construct as a resolved spec calls it: its name and the values of all its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Shape = tuple[int, ...]
"""Shape of one sample, without the batch dimension."""

Value: TypeAlias = "bool | int | float | str | tuple[Value, ...] | CallIR"
"""What an argument can be once it is resolved."""

Arguments = Mapping[str, Any]
"""Values of a construct's parameters by name; each has the type that its parameter states."""


@dataclass(frozen=True)
class CallIR:
    """A construct by name, with every one of its arguments filled in.

    ``arguments`` are :data:`Value`; the construct's parameters say which type each has,
    and code that consumes an argument relies on it.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OpIR(CallIR):
    """One op of a chain, between known shapes (a conv2d knows both its channel counts)."""

    in_shape: Shape = ()
    out_shape: Shape = ()
