"""The parameters of a construct: names, types, ranges, defaults. Plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, StrEnum


class Kind(StrEnum):
    """The type of a parameter's value."""

    INT = "int"
    PAIR = "int or [int, int]"
    REAL = "real"
    BOOL = "bool"
    STRING = "string"
    CHOICE = "word"
    REALS = "list of reals"
    CALL = "call"
    CALLS = "list of calls"
    PORT = "port"
    PART = "part of the model"


class Required(Enum):
    """The default of a parameter that has none."""

    REQUIRED = "required"


REQUIRED = Required.REQUIRED


@dataclass(frozen=True)
class SameAs:
    """A default that repeats another parameter's value."""

    parameter: str


Default = bool | int | float | str | tuple[float, ...] | SameAs | Required


@dataclass(frozen=True)
class Bounds:
    """An interval of numbers; ``open_low`` and ``open_high`` leave the end itself out, ``nonzero``
    leaves out 0."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    nonzero: bool = False

    def admits(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below and not (self.nonzero and value == 0)

    def __str__(self) -> str:
        parts = []
        if self.low > -math.inf:
            parts.append(f"{'above' if self.open_low else 'at least'} {self.low:g}")
        if self.high < math.inf:
            parts.append(f"{'below' if self.open_high else 'at most'} {self.high:g}")
        if self.nonzero:
            parts.append("not 0")
        return " and ".join(parts)


@dataclass(frozen=True)
class Share(Bounds):
    """A fraction below 1, or a whole number."""

    low: float = 0

    def admits(self, value: float) -> bool:
        return value >= 0 and (value < 1 or value == math.floor(value) < math.inf)

    def __str__(self) -> str:
        return "at least 0, and from 1 on a whole number"


ANY = Bounds()
POSITIVE = Bounds(low=0, open_low=True)
NONZERO = Bounds(nonzero=True)
NOT_NEGATIVE = Bounds(low=0)
AT_LEAST_ONE = Bounds(low=1)
BELOW_ONE = Bounds(high=1, open_high=True)
FRACTION = Bounds(low=0, high=1, open_high=True)
PROBABILITY = Bounds(low=0, high=1)

ORDERS = ("synchronous", "asynchronous", "asynchronous_reversed", "forward", "backward")
"""The orders in which the layers of a block are updated."""


@dataclass(frozen=True)
class Parameter:
    """One argument of a construct.

    ``choices`` are the words of a CHOICE, and those that may be in the place of a number of an INT
    or REAL (``feedback = own``) or of a CALL (``init=inherited``); ``table`` names the table whose
    constructs a CALL or CALLS takes (the default of a CALL is such a construct's name, or one of
    its words).
    ``bounds`` hold for every number of REALS and of a PAIR. A PAIR is one number for rows and
    columns, or a list of both; two equal ones are resolved to one.
    """

    name: str
    kind: Kind
    doc: str
    default: Default = REQUIRED
    bounds: Bounds = ANY
    choices: tuple[str, ...] = ()
    table: str = ""

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


def describe_default(parameter: Parameter) -> str:
    """The default as it would be written in a spec; ``""`` where there is none."""
    default = parameter.default
    if default is REQUIRED:
        return ""
    if isinstance(default, SameAs):
        return default.parameter
    if parameter.kind is Kind.CALL or parameter.kind is Kind.CHOICE:
        return str(default)
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, tuple):
        return f"[{', '.join(f'{entry:g}' for entry in default)}]"
    return str(default)
