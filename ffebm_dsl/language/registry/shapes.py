"""Calls of constructs as a resolved spec has them, shapes, and what shape rules answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

Shape = tuple[int, ...]
"""Shape of one sample, without the batch dimension."""

Value: TypeAlias = "bool | int | float | str | tuple[Value, ...] | CallIR"
"""A resolved argument."""

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


class Fit(NamedTuple):
    """The shape that an op gives; ``note`` is the arithmetic in words, where there is any."""

    shape: Shape
    note: str = ""


class Misfit(NamedTuple):
    """Why an op cannot take a shape. ``wrong_rank``: it takes none of that many sizes.

    ``before`` is an op after which it would fit, ``instead`` one that takes the shape.
    """

    message: str
    help: str = ""
    wrong_rank: bool = False
    before: str = ""
    instead: str = ""


def show_shape(shape: Shape) -> str:
    return f"[{', '.join(str(size) for size in shape)}]"


def same_shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    """The rule of an op that acts entry by entry."""
    return Fit(shape)


def not_an_image(name: str, shape: Shape) -> Misfit | None:
    """Why op ``name`` cannot take ``shape``, where it takes images alone."""
    if len(shape) == 3:
        return None
    return Misfit(
        f"`{name}` takes [channels, height, width], and gets {show_shape(shape)}", wrong_rank=True
    )


def not_a_vector(name: str, shape: Shape) -> Misfit | None:
    """Why op ``name`` cannot take ``shape``, where it takes vectors alone."""
    if len(shape) == 1:
        return None
    message = f"`{name}` takes a vector, and gets {show_shape(shape)}"
    return Misfit(message, "put `flatten()` before it", wrong_rank=True, before="flatten()")
