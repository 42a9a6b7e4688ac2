"""Lark's tree -> AST. No checks: what the grammar lets through becomes a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lark import Token, Transformer, Tree
from lark.tree import Meta
from lark.visitors import v_args

from ffebm_dsl.diagnostics import SourceFile, Span
from ffebm_dsl.syntax import ast
from ffebm_dsl.syntax.comments import attach_docs, find_comments

Build = Callable[..., Any]


def to_ast(tree: Tree[Token], source: SourceFile) -> Any:
    """The tree of a whole text as :class:`ast.Program`, of an override as :class:`ast.Override`."""
    items = [child for child in tree.children[1:] if isinstance(child, Tree)]
    first = items[0].meta.start_pos if items else -1
    return _ToAst(source.text, first).transform(tree)


def _span(meta: Meta) -> Span:
    return Span(meta.start_pos, meta.end_pos)


def _node(kind: Build) -> Build:
    """A rule whose children are the fields of ``kind`` in order."""
    return v_args(meta=True, inline=True)(lambda self, meta, *fields: kind(_span(meta), *fields))


def _gathered(kind: Build, fixed: int) -> Build:
    """A rule with ``fixed`` leading fields whose other children make one last tuple."""
    return v_args(meta=True, inline=True)(
        lambda self, meta, *f: kind(_span(meta), *f[:fixed], tuple(f[fixed:]))
    )


def _declared(kind: Build) -> Build:
    """As :func:`_node`, with the doc comments in front of the rule as ``doc``."""
    return v_args(meta=True, inline=True)(
        lambda self, meta, *f: kind(_span(meta), *f, doc=self.docs.before.get(meta.start_pos, ""))
    )


class _ToAst(Transformer[Token, Any]):
    """Methods are named after the rules of ``ffe.lark``."""

    def __init__(self, text: str, first: int) -> None:
        super().__init__()
        self.text = text
        self.comments = find_comments(text)
        self.docs = attach_docs(text, self.comments, first)

    @v_args(inline=True)
    def start(self, version: ast.Version | None, *items: Any) -> ast.Program:
        span = Span(0, len(self.text))
        return ast.Program(span, version, items, self.comments, self.docs.heading)

    @v_args(inline=True)
    def name(self, token: Token) -> ast.Ident:
        return ast.Ident(_token_span(token), str(token))

    @v_args(inline=True)
    def number(self, token: Token) -> ast.Number:
        return ast.Number(_token_span(token), str(token))

    @v_args(inline=True)
    def boolean(self, token: Token) -> ast.Boolean:
        return ast.Boolean(_token_span(token), token.type == "TRUE")

    @v_args(inline=True)
    def string(self, token: Token) -> ast.String:
        return ast.String(_token_span(token), token[1:-1])

    @v_args(meta=True, inline=True)
    def version(self, meta: Meta, number: Token) -> ast.Version:
        return ast.Version(_span(meta), str(number))

    @v_args(meta=True, inline=True)
    def negative(self, meta: Meta, *parts: Any) -> Any:
        *signs, operand = parts
        return ast.Negative(_span(meta), operand) if len(signs) % 2 else operand

    @v_args(meta=True, inline=True)
    def arithmetic(self, meta: Meta, first: Any, *rest: Any) -> ast.Arithmetic:
        pairs = zip((str(op) for op in rest[::2]), rest[1::2], strict=True)
        return ast.Arithmetic(_span(meta), first, tuple(pairs))

    @v_args(inline=True)
    def reference(self, port: ast.Reference) -> ast.Reference:
        return port

    @v_args(meta=True, inline=True)
    def use(self, meta: Meta, name: ast.Ident, given: tuple[Any, ...] | None) -> ast.Call:
        return ast.Call(_span(meta), name, given or ())

    @v_args(meta=True, inline=True)
    def drive(self, meta: Meta, source: Any, target: Any, ops: Any) -> ast.Drive:
        return ast.Drive(_span(meta), source, target, ops or ())

    @v_args(meta=True, inline=True)
    def coupling(self, meta: Meta, source: Any, target: Any, ops: Any) -> ast.Coupling:
        return ast.Coupling(_span(meta), source, target, ops or ())

    @v_args(meta=True, inline=True)
    def instance(self, meta: Meta, name: Any, template: Any, overrides: Any) -> ast.Instance:
        doc = self.docs.before.get(meta.start_pos, "")
        return ast.Instance(_span(meta), name, template, overrides or (), doc)

    @v_args(meta=True, inline=True)
    def template(self, meta: Meta, name: ast.Ident, *rest: Any) -> ast.Template:
        *formals, body = rest
        known = tuple(formal for formal in formals if formal is not None)
        doc = self.docs.before.get(meta.start_pos, "")
        return ast.Template(_span(meta), name, known, body, doc)

    def _present(self, children: list[Any]) -> tuple[Any, ...]:
        """The children of an optional list, which Lark gives as one None where it is empty."""
        return tuple(child for child in children if child is not None)

    arguments = body = overrides = settings = chain = ops = _present

    @v_args(meta=True, inline=True)
    def list(self, meta: Meta, *items: Any) -> ast.ListExpression:
        return ast.ListExpression(_span(meta), tuple(item for item in items if item is not None))

    port = _node(ast.Reference)
    call = _node(ast.Call)
    argument = _node(ast.Argument)
    setting = _node(ast.Setting)
    override = _node(ast.Override)
    formal = _node(ast.Formal)
    relax = _node(ast.Relax)
    gradient = _node(ast.Gradient)
    init = _node(ast.Init)
    out = _node(ast.Out)
    loss = _node(ast.Loss)
    energy = _gathered(ast.Energy, fixed=1)

    param = _declared(ast.Param)
    layer = _declared(ast.Layer)
    feedforward = _declared(ast.Feedforward)
    block = _declared(ast.Block)
    input = _declared(ast.Input)
    target = _declared(ast.Target)
    readout = _declared(ast.Readout)
    train = _declared(ast.Train)

    @v_args(meta=True, inline=True)
    def model(self, meta: Meta, name: ast.Ident, *statements: Any) -> ast.Model:
        doc = self.docs.before.get(meta.start_pos, "")
        return ast.Model(_span(meta), name, tuple(statements), doc)


def _token_span(token: Token) -> Span:
    if token.start_pos is None or token.end_pos is None:
        raise AssertionError(f"token without a place: {token!r}")
    return Span(token.start_pos, token.end_pos)
