"""The abstract syntax tree: what the text says, statement by statement, with its places.

Every node knows its ``span``. Nothing here is checked beyond the grammar: names may be
unknown, arguments of the wrong type. A declaration's ``doc`` is the text of the ``##``
comments that document it.

The nodes are named tuples because a frozen dataclass costs seven times as much to define
(2 ms against 0.3 ms, measured), which every start of a command would pay some thirty times.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from ffebm_dsl.language.diagnostics import Span


class Node(Protocol):
    """The protocol of every class of this module."""

    @property
    def span(self) -> Span: ...


class Comment(NamedTuple):
    """A comment as written, ``#`` included; ``is_doc`` where it starts with ``##``."""

    span: Span
    text: str
    is_doc: bool


class Ident(NamedTuple):
    span: Span
    text: str


# Expressions -----------------------------------------------------------------------------


class Number(NamedTuple):
    """An unsigned number literal, kept as text: its size is checked where it is used."""

    span: Span
    text: str


class Boolean(NamedTuple):
    span: Span
    value: bool


class String(NamedTuple):
    span: Span
    value: str


class Reference(NamedTuple):
    """``name`` or ``name.member``."""

    span: Span
    name: Ident
    member: Ident | None

    def __str__(self) -> str:
        return f"{self.name.text}.{self.member.text}" if self.member else self.name.text


class Argument(NamedTuple):
    span: Span
    name: Ident | None
    value: Expression


class Call(NamedTuple):
    """``name(arguments)``; an op or activation without parentheses has no arguments."""

    span: Span
    name: Ident
    arguments: tuple[Argument, ...]


class ListExpression(NamedTuple):
    span: Span
    items: tuple[Expression, ...]


class Negative(NamedTuple):
    span: Span
    operand: Expression


class Arithmetic(NamedTuple):
    """``first op operand op operand ...`` of one precedence, evaluated from the left."""

    span: Span
    first: Expression
    rest: tuple[tuple[str, Expression], ...]


Expression = Number | Boolean | String | Reference | Call | ListExpression | Negative | Arithmetic


# Statements ------------------------------------------------------------------------------


class Version(NamedTuple):
    span: Span
    text: str


class Use(NamedTuple):
    """``use package >= version``: the text names constructs of an installed package."""

    span: Span
    package: Ident
    version: Ident
    doc: str = ""


class Setting(NamedTuple):
    span: Span
    name: Ident
    value: Expression


class Param(NamedTuple):
    span: Span
    name: Ident
    type: Ident
    default: Expression
    domain: ListExpression | None
    doc: str = ""


class Feedforward(NamedTuple):
    span: Span
    name: Ident
    source: Reference
    ops: tuple[Call, ...]
    doc: str = ""


class Relax(NamedTuple):
    span: Span
    phase: Ident
    settings: tuple[Setting, ...]


class Gradient(NamedTuple):
    span: Span
    estimator: Call


class Init(NamedTuple):
    span: Span
    initialiser: Call


class LayerStatement(NamedTuple):
    span: Span
    name: Ident
    shape: ListExpression
    activation: Call
    doc: str = ""


class DriveStatement(NamedTuple):
    """``source -> target : ops { settings }``."""

    span: Span
    source: Reference
    target: Reference
    ops: tuple[Call, ...]
    settings: tuple[Setting, ...]


class CouplingStatement(NamedTuple):
    """``source <-> target : ops { settings }``."""

    span: Span
    source: Reference
    target: Reference
    ops: tuple[Call, ...]
    settings: tuple[Setting, ...]


class TermStatement(NamedTuple):
    """``layer : term(...)``."""

    span: Span
    layer: Reference
    call: Call


class EnergyStatement(NamedTuple):
    """``device`` is the hardware that it is on; None for ideal."""

    span: Span
    kind: Ident
    device: Ident | None
    statements: tuple[LayerStatement | DriveStatement | CouplingStatement | TermStatement, ...]


class Out(NamedTuple):
    """``out = layer``, or ``out name = layer``."""

    span: Span
    name: Ident | None
    layer: Ident


BlockStatement = Feedforward | EnergyStatement | Relax | Gradient | Init | Out


class Block(NamedTuple):
    span: Span
    name: Ident
    statements: tuple[BlockStatement, ...]
    doc: str = ""


class Instance(NamedTuple):
    """``block name = template(arguments) { overrides }``."""

    span: Span
    name: Ident
    template: Call
    overrides: tuple[Relax | Gradient | Init, ...]
    doc: str = ""


class Formal(NamedTuple):
    span: Span
    name: Ident
    type: Ident


class Template(NamedTuple):
    span: Span
    name: Ident
    formals: tuple[Formal, ...]
    statements: tuple[BlockStatement, ...]
    doc: str = ""


class Input(NamedTuple):
    span: Span
    name: Ident
    kind: Call
    doc: str = ""


class Target(NamedTuple):
    span: Span
    name: Ident
    kind: Call
    doc: str = ""


class Readout(NamedTuple):
    span: Span
    name: Ident
    source: Reference
    ops: tuple[Call, ...]
    doc: str = ""


class Weighted(NamedTuple):
    """``weight * loss``; the weight is None where none is written."""

    span: Span
    weight: Expression | None
    loss: Call


class Loss(NamedTuple):
    """``loss = term + term + ...``."""

    span: Span
    terms: tuple[Weighted, ...]


ModelStatement = (
    Input | Target | Feedforward | Block | Instance | Relax | Gradient | Init | Readout | Loss
)


class Model(NamedTuple):
    span: Span
    name: Ident
    statements: tuple[ModelStatement, ...]
    doc: str = ""


class Hardware(NamedTuple):
    span: Span
    name: Ident
    settings: tuple[Setting, ...]
    doc: str = ""


class Train(NamedTuple):
    span: Span
    settings: tuple[Setting, ...]
    doc: str = ""


class Assignment(NamedTuple):
    """``key=value`` as ``--set`` gives it."""

    span: Span
    value: Expression


class Program(NamedTuple):
    """A whole text. ``doc`` is its heading: doc comments set off by an empty line, or at the end
    of the version line."""

    span: Span
    version: Version | None
    items: tuple[Use | Param | Template | Hardware | Model | Train, ...]
    comments: tuple[Comment, ...]
    doc: str = ""


def walk(node: tuple[Any, ...]) -> Iterator[Any]:
    """The nodes in a node, or in several, each before its own parts, in the order of the text."""
    for part in node:
        if isinstance(part, tuple):
            if hasattr(part, "_fields"):
                yield part
            yield from walk(part)


def moved(node: Any, by: int) -> Any:
    """A node, or a part of one, with its places so many characters further on."""
    if isinstance(node, Span):
        return Span(node.start + by, node.end + by)
    if not isinstance(node, tuple):
        return node
    parts = (moved(part, by) for part in node)
    return type(node)(*parts) if hasattr(node, "_fields") else tuple(parts)
