"""The declarations of a program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
        ast.Hardware: "hardware",
        ast.Model: "model",
        ast.Input: "input",
        ast.Target: "target",
        ast.Readout: "readout",
        ast.Block: "block",
        ast.Instance: "block",
        ast.Feedforward: "feedforward",
        ast.LayerStatement: "layer",
        ast.Out: "out",
    }
)
"""Statement that declares a name -> its keyword; ``formal`` for an argument of a template."""


class Declaration(NamedTuple):
    """A declared name. ``keyword`` is what declares it, ``formal`` for a template's argument.

    ``scope`` names the declarations around it, the outermost first, and ``around`` is the
    template or block that it can be read in, or the whole text. ``whole`` covers the
    statement; ``doc`` is the text of its doc comments. ``template`` is what a block is made
    from, ``""`` for one that is written out.
    """

    keyword: str
    name: str
    span: Span
    scope: Scope
    around: Span
    whole: Span
    doc: str = ""
    template: str = ""


def declarations(node: Any, scope: Scope = (), around: Span | None = None) -> Iterator[Declaration]:
    """Of a program or statement, in the order of the text."""
    around = around or node.span
    keyword, name = DECLARING.get(type(node), ""), getattr(node, "name", None)
    if keyword and name is not None:
        doc = getattr(node, "doc", "")
        template = node.template.name.text if isinstance(node, ast.Instance) else ""
        yield Declaration(keyword, name.text, name.span, scope, around, node.span, doc, template)
    if isinstance(node, ast.Template | ast.Block):
        around = node.span
    for field in ("items", "formals", "statements"):
        for inner in getattr(node, field, ()):
            yield from declarations(inner, inside(node, scope), around)


def inside(node: Any, scope: Scope) -> Scope:
    """The scope of the statements of ``node``, which is itself in ``scope``."""
    scoped = isinstance(node, ast.Model | ast.Template | ast.Block)
    return (*scope, node.name.text) if scoped else scope
