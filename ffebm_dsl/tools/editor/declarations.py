"""What a program declares, and which of it can be seen from where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax import ast

Scope = tuple[str, ...]

DECLARING: Mapping[type, str] = MappingProxyType(
    {
        ast.Param: "param",
        ast.Template: "template",
        ast.Formal: "formal",
        ast.Model: "model",
        ast.Input: "input",
        ast.Target: "target",
        ast.Readout: "readout",
        ast.Block: "block",
        ast.Instance: "block",
        ast.Feedforward: "feedforward",
        ast.Layer: "layer",
        ast.Out: "out",
    }
)
"""Statement that declares a name -> its keyword; ``formal`` for an argument of a template."""

PORTS = frozenset({"input", "feedforward", "block", "readout"})
PARTS = PORTS - {"input"}


class Declaration(NamedTuple):
    """A declared name. ``keyword`` is what declares it, ``formal`` for a template's argument.

    ``scope`` names the declarations around it, the outermost first. ``whole`` covers the
    statement; ``doc`` is the text of its doc comments. ``template`` is what a
    block is made from, ``""`` for one that is written out.
    """

    keyword: str
    name: str
    span: Span
    scope: Scope
    whole: Span
    doc: str = ""
    template: str = ""


def declarations(node: Any, scope: Scope = ()) -> Iterator[Declaration]:
    """Of a program or statement, in the order of the text."""
    keyword, name = DECLARING.get(type(node), ""), getattr(node, "name", None)
    if keyword and name is not None:
        doc = getattr(node, "doc", "")
        template = node.template.name.text if isinstance(node, ast.Instance) else ""
        yield Declaration(keyword, name.text, name.span, scope, node.span, doc, template)
    for field in ("items", "formals", "statements"):
        for inner in getattr(node, field, ()):
            yield from declarations(inner, inside(node, scope))


def inside(node: Any, scope: Scope) -> Scope:
    """The scope of what stands in ``node``, which stands in ``scope``."""
    scoped = isinstance(node, ast.Model | ast.Template | ast.Block)
    return (*scope, node.name.text) if scoped else scope


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
        place = (owner.template,) if owner.template else (*owner.scope, block)
        yield from (d for d in declared if d.keyword == "out" and d.scope == place)


def members(block: str, all_: Iterable[Declaration]) -> Iterator[Declaration]:
    """The maps of a block, which a setting of its own can name."""
    return (d for d in all_ if d.keyword == "feedforward" and d.scope[1:] == (block,))


def formals(template: str, all_: Iterable[Declaration]) -> Iterator[Declaration]:
    return (d for d in all_ if d.keyword == "formal" and d.scope[-1:] == (template,))
