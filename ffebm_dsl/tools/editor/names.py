"""Declared names: which can be seen from a place, where one is declared, what a text holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax.tokens import TokenKind
from ffebm_dsl.tools.editor.analysis import Analysis
from ffebm_dsl.tools.editor.expect import Expected, expected
from ffebm_dsl.tools.editor.scan import DEEPEST, Declaration, scan

PORTS = frozenset({"input", "feedforward", "block", "readout"})
PARTS = PORTS - {"input"}

Scope = tuple[str, ...]


class Symbol(NamedTuple):
    """A declaration with those inside it. ``detail`` is the keyword that declares it."""

    name: str
    detail: str
    span: Span
    whole: Span
    children: tuple[Symbol, ...]


def visible(kind: str, scope: Scope, all_: Iterable[Declaration]) -> Iterator[Declaration]:
    """The declarations of a kind of name that a place in ``scope`` sees.

    A template sees its own names and the params alone, a block the model's ports too.
    """
    return (found for found in all_ if _SEEN[kind](found, scope))


def _is_port(found: Declaration, scope: Scope) -> bool:
    itself = found.keyword == "block" and (*found.scope, found.name) == scope
    port = found.keyword in PORTS or found.keyword == "formal"
    return port and _is_around(found, scope) and not itself


def _is_around(found: Declaration, scope: Scope) -> bool:
    return found.scope == scope[: len(found.scope)]


def _is_value(found: Declaration, scope: Scope) -> bool:
    formal = found.keyword == "formal" and _is_around(found, scope)
    return found.keyword == "param" or formal


_SEEN: Mapping[str, Callable[[Declaration, Scope], bool]] = MappingProxyType(
    {
        "values": _is_value,
        "ports": _is_port,
        "templates": lambda found, scope: found.keyword == "template",
        "layers": lambda found, scope: found.keyword == "layer" and found.scope == scope,
        "targets": lambda found, scope: found.keyword == "target" and _is_around(found, scope),
        "parts": lambda found, scope: found.keyword in PARTS and len(found.scope) == 1,
    }
)
"""Kind of name -> whether a declaration is one that can be seen from a scope."""


def outputs(block: str, scope: Scope, all_: Iterable[Declaration]) -> Iterator[Declaration]:
    """The named outputs of a block, also of one that is made from a template."""
    declared = list(all_)
    for owner in declared:
        if owner.keyword != "block" or owner.name != block or owner.scope != scope[:1]:
            continue
        inside = (owner.template,) if owner.template else (*owner.scope, block)
        yield from (d for d in declared if d.keyword == "out" and d.scope == inside)


def members(block: str, all_: Iterable[Declaration]) -> Iterator[Declaration]:
    """The maps of a block, which a setting of its own can name."""
    return (d for d in all_ if d.keyword == "feedforward" and d.scope[1:] == (block,))


def formals(template: str, all_: Iterable[Declaration]) -> Iterator[Declaration]:
    return (d for d in all_ if d.keyword == "formal" and d.scope[-1:] == (template,))


def declaration_at(analysis: Analysis, offset: int) -> Declaration | None:
    """The declaration of the name at ``offset``; None where there is none, or no name."""
    position = analysis.token_at(offset)
    if position is None or analysis.tokens[position].kind is not TokenKind.NAME:
        return None
    token, all_ = analysis.tokens[position], analysis.scan.declarations
    for found in all_:
        if found.span == token.span:
            return found
    levels = scan(analysis.tokens[:position]).levels
    scope = levels[-1].scope
    for found in _candidates(expected(levels), scope, all_):
        if found.name == token.text:
            return found
    return None


def _candidates(wanted: Expected, scope: Scope, all_: list[Declaration]) -> Iterator[Declaration]:
    if "outputs" in wanted.names:
        yield from outputs(wanted.of, scope, all_)
        return
    if "members" in wanted.names:
        yield from members(wanted.of, all_)
        return
    if "formals" in wanted.names:
        yield from formals(wanted.of, all_)
    if wanted.parameter is not None and wanted.parameter.name == "target":
        yield from visible("targets", scope, all_)
    for kind in wanted.names:
        yield from visible(kind, scope, all_) if kind != "formals" else ()


def definition(analysis: Analysis, offset: int) -> Span | None:
    """Where the name at ``offset`` is declared."""
    found = declaration_at(analysis, offset)
    return found.span if found else None


def symbols(analysis: Analysis) -> tuple[Symbol, ...]:
    """What the text declares, nested as it is written; a template's arguments are left out."""
    found: list[Symbol] = []
    around: list[tuple[Declaration, list[Symbol]]] = []
    for declared in analysis.scan.declarations:
        if declared.keyword == "formal":
            continue
        while around and around[-1][0].whole.end < declared.whole.end:
            _close(around, found)
        around.append((declared, []))
        if len(around) == DEEPEST:
            _close(around, found)
    while around:
        _close(around, found)
    return tuple(found)


def _close(around: list[tuple[Declaration, list[Symbol]]], found: list[Symbol]) -> None:
    """Make a symbol of the innermost declaration, and put it into the one around it."""
    first, children = around.pop()
    detail = f"{first.keyword} = {first.template}" if first.template else first.keyword
    siblings = around[-1][1] if around else found
    siblings.append(Symbol(first.name, detail, first.span, first.whole, tuple(children)))
