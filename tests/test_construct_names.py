"""No product file but a construct's own asks for its name.

Whatever the compiler, the tools and the training must know of a construct they ask the construct.
A comparison, a ``match``, a key of a dict or a subscript with a construct's name would be a fact
kept elsewhere, which the next construct would have to be added to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from ffebm_dsl.language.registry import TABLES

from .test_architecture import part_of, sources

# Phases and groups are words of the language: no package adds to them.
NAMES = frozenset(name for table in TABLES.values() if table.extensible for name in table.visible())

ALLOWED: dict[str, tuple[str, str]] = {
    "cosine": ("checking report cli", "the cosine of two gradients, a key of results"),
    "default": ("records", "an attribute of NeXus files"),
    "frozen": ("checking", "blocks whose pooling was frozen, a key of results"),
    "identity": ("training", "what a run is, a key of checkpoints"),
    "step": ("checking report cli records training", "a training step, a column of records"),
    "ep": ("checking", "one of the three methods whose gradients `check` compares"),
    "implicit": ("checking", "one of the three methods whose gradients `check` compares"),
    "unrolled": ("checking", "one of the three methods whose gradients `check` compares"),
}
"""Word -> the parts where it is no name of a construct to be looked up, and what it is there."""


def uses(text: str) -> Iterator[tuple[int, str]]:
    """Line and word of every construct's name that a module compares with or looks up by."""
    for node in ast.walk(ast.parse(text)):
        for literal in _literals(node):
            if isinstance(literal, ast.Constant) and literal.value in NAMES:
                yield literal.lineno, str(literal.value)


def _literals(node: ast.AST) -> Iterator[ast.expr | None]:
    match node:
        case ast.Compare(left=left, comparators=others):
            for side in (left, *others):
                yield from side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
        case ast.MatchValue(value=value):
            yield value
        case ast.Dict(keys=keys):
            yield from keys
        case ast.Subscript(slice=key):
            yield key


def violations(module: str, text: str) -> Iterator[str]:
    if module.startswith("ffebm_dsl.constructs."):
        return
    for line, word in uses(text):
        parts, _ = ALLOWED.get(word, ("", ""))
        if part_of(module) not in parts.split():
            yield f"{module}:{line} asks for `{word}`"


def test_no_module_asks_for_a_constructs_name() -> None:
    found = [fault for module, text in sources().items() for fault in violations(module, text)]
    assert not found, "\n".join(found)


def test_every_allowance_is_needed() -> None:
    texts = sources()
    used = {(part_of(module), word) for module, text in texts.items() for _, word in uses(text)}
    allowed = {(part, word) for word, (parts, _) in ALLOWED.items() for part in parts.split()}
    assert allowed <= used


@pytest.mark.parametrize(
    "text",
    [
        "op.name == 'conv2d'",
        "op.name in ('conv2d', other)",
        "match op.name:\n    case 'conv2d' | 'linear':\n        pass",
        "{'ep': 1}",
        "table['anderson']",
    ],
)
def test_a_planted_use_is_found(text: str) -> None:
    assert list(violations("ffebm_dsl.language.ir.planted", text))


def test_other_words_are_no_uses() -> None:
    text = "x == 'words' or f('conv2d')\n'write conv2d'"
    assert not list(violations("ffebm_dsl.language.ir.planted", text))
