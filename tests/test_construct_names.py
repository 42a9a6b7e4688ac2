"""No product file except a construct's own refers to its name.

Facts about a construct are attributes of the construct. A comparison, a ``match``, a key of a dict
or a subscript with a construct's name would be a fact elsewhere, to be extended for every new
construct.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ffebm_dsl.language.registry import TABLES

from .test_architecture import part_of, sources

# Phases and groups are words of the language: no package adds to them.
NAMES = frozenset(name for table in TABLES.values() if table.extensible for name in table.visible())

ALLOWED: dict[str, tuple[str, str]] = {
    "adc": ("cost", "an action that has a price"),
    "dac": ("cost", "an action that has a price"),
    "auto": ("training", "a device, or a cadence of diagnostics, that the program chooses"),
    "array": ("interchange", "a type of JSON Schema"),
    "cosine": ("checking report cli", "the cosine of two gradients, a key of results"),
    "identity": ("training", "what a run is, a key of checkpoints"),
    "label": ("cli", "what a configuration of runs is called, a key of results"),
    "labels": ("datasets", "an argument of CIFAR-100, for fine or coarse classes"),
    "state": ("training", "what torch calls the memory of an optimiser"),
    "step": ("checking report cli records training", "a training step, a column of records"),
    "uniform": ("experiments", "a distribution that a search draws settings from"),
    "zeros": ("ir", "where the states of a free phase start"),
    "ep": ("checking", "one of the three methods whose gradients `check` compares"),
    "implicit": ("checking", "one of the three methods whose gradients `check` compares"),
    "unrolled": ("checking", "one of the three methods whose gradients `check` compares"),
}
"""Word -> the parts where it is no name of a construct to be looked up, and what it is there."""

ROOT = Path(__file__).parents[1]
COST = re.compile(r"^\|.*\| (`\w+`(?:, `\w+`)*) \| (\d) \|$", re.MULTILINE)
"""A row of the table in CONTRIBUTING.md: names of tables, and the product files of a construct."""


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


def costs() -> dict[str, int]:
    """Table -> the product files that one more construct of it takes, as CONTRIBUTING.md says."""
    rows = COST.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    return {name: int(files) for names, files in rows for name in re.findall(r"\w+", names)}


def test_the_costs_of_every_table_are_stated() -> None:
    assert set(costs()) == {name for name, table in TABLES.items() if table.extensible}


def test_the_extension_brings_one_construct_of_a_table_in_so_many_files() -> None:
    folders = ROOT / "examples" / "extension" / "ffebm_example" / "constructs"
    found = {
        folder.name: sum(1 for file in folder.glob("*.py") if file.name != "__init__.py")
        for folder in folders.iterdir()
        if folder.is_dir() and not folder.name.startswith("_")
    }
    assert set(found) == {"activations", "ops", "gradients", "solvers", "energies"}
    assert found == {name: costs()[name] for name in found}
