"""Words -> AST, with its comments. No checks: what the grammar lets through becomes a node."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ffebm_dsl.language.diagnostics import SourceFile, Span
from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.comments import find_comments
from ffebm_dsl.language.syntax.derive import Make, derive
from ffebm_dsl.language.syntax.docs import with_docs
from ffebm_dsl.language.syntax.scan import Word


def to_ast(words: Sequence[Word], start: str, source: SourceFile) -> Any:
    """The words of a whole text as :class:`ast.Program`, of an override as :class:`ast.Override`.

    None where they do not follow the grammar.
    """
    found = derive(words, start, _NODES)
    if not isinstance(found, ast.Program):
        return found
    whole = Span(0, len(source.text))
    program = found._replace(span=whole, comments=find_comments(source.text))
    return with_docs(program, source.text, words)


def _start(span: Span, version: ast.Version | None, *items: Any) -> ast.Program:
    return ast.Program(span, version, items, ())


def _name(span: Span, word: Word) -> ast.Ident:
    return ast.Ident(span, word.text)


def _number(span: Span, word: Word) -> ast.Number:
    return ast.Number(span, word.text)


def _boolean(span: Span, word: Word) -> ast.Boolean:
    return ast.Boolean(span, word.kind == "TRUE")


def _string(span: Span, word: Word) -> ast.String:
    return ast.String(span, word.text[1:-1])


def _version(span: Span, number: Word) -> ast.Version:
    return ast.Version(span, number.text)


def _use(span: Span, word: Word) -> ast.Use:
    """The parts of ``use package >= version``, which is one word."""
    package, version = re.finditer(r"[\w.-]+", word.text[len("use") :])
    start = span.start + len("use")
    return ast.Use(
        span,
        ast.Ident(Span(start + package.start(), start + package.end()), package.group()),
        ast.Ident(Span(start + version.start(), start + version.end()), version.group()),
    )


def _reference(span: Span, port: ast.Reference) -> ast.Reference:
    return port


def _negative(span: Span, *parts: Any) -> Any:
    *signs, operand = parts
    return ast.Negative(span, operand) if len(signs) % 2 else operand


def _arithmetic(span: Span, first: Any, *rest: Any) -> ast.Arithmetic:
    pairs = zip((operator.text for operator in rest[::2]), rest[1::2], strict=True)
    return ast.Arithmetic(span, first, tuple(pairs))


def _entry(span: Span, name: ast.Ident, given: tuple[ast.Argument, ...] | None) -> ast.Call:
    return ast.Call(span, name, given or ())


def _drive(span: Span, source: Any, target: Any, ops: Any) -> ast.Drive:
    return ast.Drive(span, source, target, ops or ())


def _coupling(span: Span, source: Any, target: Any, ops: Any) -> ast.Coupling:
    return ast.Coupling(span, source, target, ops or ())


def _energy(span: Span, kind: ast.Ident, *statements: Any) -> ast.Energy:
    return ast.Energy(span, kind, statements)


def _listed(span: Span, *items: Any) -> tuple[Any, ...]:
    """What stands between brackets or braces; of an optional list, None stands for no item."""
    return tuple(item for item in items if item is not None)


def _list(span: Span, *items: Any) -> ast.ListExpression:
    return ast.ListExpression(span, _listed(span, *items))


def _instance(span: Span, name: Any, template: Any, overrides: Any) -> ast.Instance:
    return ast.Instance(span, name, template, overrides or ())


def _template(span: Span, name: ast.Ident, *rest: Any) -> ast.Template:
    *formals, body = rest
    return ast.Template(span, name, _listed(span, *formals), body)


def _model(span: Span, name: ast.Ident, *statements: Any) -> ast.Model:
    return ast.Model(span, name, statements)


_NODES: Mapping[str, Make] = {
    "start": _start,
    "name": _name,
    "number": _number,
    "boolean": _boolean,
    "string": _string,
    "version": _version,
    "reference": _reference,
    "negative": _negative,
    "arithmetic": _arithmetic,
    "list": _list,
    "use": _use,
    "entry": _entry,
    "drive": _drive,
    "coupling": _coupling,
    "energy": _energy,
    "port": ast.Reference,
    "call": ast.Call,
    "argument": ast.Argument,
    "setting": ast.Setting,
    "override": ast.Override,
    "formal": ast.Formal,
    "relax": ast.Relax,
    "gradient": ast.Gradient,
    "init": ast.Init,
    "out": ast.Out,
    "loss": ast.Loss,
    **dict.fromkeys(("arguments", "body", "overrides", "settings", "chain", "ops"), _listed),
    "param": ast.Param,
    "layer": ast.Layer,
    "feedforward": ast.Feedforward,
    "block": ast.Block,
    "input": ast.Input,
    "target": ast.Target,
    "readout": ast.Readout,
    "train": ast.Train,
    "instance": _instance,
    "template": _template,
    "model": _model,
}
