"""What could stand at a place of a text, from the brackets open there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ffebm_dsl.language.ir.params import VALUE_TYPES
from ffebm_dsl.language.registry import PHASES, TABLES, TRAIN, Construct, Kind, Parameter
from ffebm_dsl.language.syntax.parse import MAX_NESTING
from ffebm_dsl.tools.editor.scan import Level

KEYWORDS = {
    "": ("use", "param", "template", "model", "train"),
    "model": (
        "input",
        "target",
        "feedforward",
        "block",
        "relax",
        "gradient",
        "init",
        "readout",
        "loss",
    ),
    "block": ("feedforward", "energy", "relax", "gradient", "init", "out"),
    "template": ("feedforward", "energy", "relax", "gradient", "init", "out"),
    "instance": ("relax", "gradient", "init"),
    "energy": ("layer",),
}
"""Statements by what holds them; ``""`` is the text."""

_TABLES = {
    "relax": "phases",
    "gradient": "gradients",
    "init": "initialisers",
    "energy": "energies",
}
"""Statement -> the table whose entry follows its keyword."""

_OPERATORS = frozenset("+-*/")


class Expected(NamedTuple):
    """``table`` names a registry table whose entries could stand here; ``signature`` has the
    arguments or keys that could be named, ``parameter`` the one whose value is wanted.

    ``names`` are kinds of declared names: ``ports``, ``layers``, ``values``, ``templates``,
    ``parts``; ``outputs`` and ``members`` are those of the block ``of``, ``formals`` the
    arguments of the template ``of``.
    """

    table: str = ""
    signature: Construct | None = None
    parameter: Parameter | None = None
    keywords: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    of: str = ""
    coupling: bool = False


NOTHING = Expected()


def expected(levels: Sequence[Level]) -> Expected:
    """What could follow the tokens that led to ``levels``; nothing where they are too deep."""
    if len(levels) > MAX_NESTING:
        return NOTHING
    level = levels[-1]
    before = level.tail[-1].text if level.tail else ""
    if before == ".":
        kind = "outputs" if level.scope else "members"
        return Expected(names=(kind,), of=level.tail[-2].text if len(level.tail) > 1 else "")
    if level.bracket == "(":
        return _in_call(levels, before)
    if level.bracket == "[":
        return _in_list(levels)
    if level.owner in ("relax", "train"):
        return _in_settings(level, before)
    if level.owner == "energy":
        return _in_energy(level, before)
    return _in_body(level, before)


def _in_call(levels: Sequence[Level], before: str) -> Expected:
    level = levels[-1]
    if level.owner == "template":
        return Expected(keywords=(*VALUE_TYPES, "port")) if before == ":" else NOTHING
    if level.owner != "call":
        return Expected(names=("values",))
    around = _at_callee(levels)
    if "templates" in around.names:
        named = ("values", "ports") if before == "=" else ("formals", "values", "ports")
        return Expected(names=named, of=level.name)
    signature = TABLES[around.table].get(level.name) if around.table else None
    if signature is None:
        return Expected(names=("values",))
    if before == "=":
        name = level.tail[-2].text if len(level.tail) > 1 else ""
        return _value(_parameter(signature, name))
    if before in _OPERATORS:
        return Expected(names=("values",))
    position = sum(token.text == "," for token in level.tail)
    parameters = signature.parameters
    value = _value(parameters[position] if position < len(parameters) else None)
    # A loss takes its ports by position alone.
    return value if around.table == "losses" else value._replace(signature=signature)


def _at_callee(levels: Sequence[Level]) -> Expected:
    """What was expected where the name in front of the innermost bracket stands."""
    around = levels[-2]
    position = len(around.tail) - 1
    return expected([*levels[:-2], replace(around, tail=around.tail[:position])])


def _in_list(levels: Sequence[Level]) -> Expected:
    around = expected(levels[:-1])
    if around.parameter is not None and around.parameter.kind is Kind.CALLS:
        return Expected(table=around.parameter.table)
    return Expected(names=("values",))


def _parameter(signature: Construct, name: str) -> Parameter | None:
    return signature.parameter(name) if name in signature.names else None


def _value(parameter: Parameter | None) -> Expected:
    """The value of a parameter: an entry of its table, a port, a number."""
    if parameter is None:
        return Expected(names=("values",))
    if parameter.kind is Kind.CALL:
        return Expected(table=parameter.table, parameter=parameter)
    if parameter.kind is Kind.PORT:
        return Expected(parameter=parameter, names=("ports",))
    if parameter.kind is Kind.PART:
        return Expected(parameter=parameter, names=("parts",))
    if parameter.kind in (Kind.CHOICE, Kind.STRING, Kind.CALLS):
        return Expected(parameter=parameter)
    return Expected(parameter=parameter, names=("values",))


def _in_settings(level: Level, before: str) -> Expected:
    signature = TRAIN if level.owner == "train" else PHASES.get(level.name)
    if signature is None:
        return NOTHING
    if before == "=":
        name = level.tail[-2].text if len(level.tail) > 1 else ""
        return _value(_parameter(signature, name))
    if before in _OPERATORS and before:
        return Expected(names=("values",))
    return Expected(signature=signature)


def _in_energy(level: Level, before: str) -> Expected:
    words = level.words
    if before in ("->", "<->"):
        return Expected(names=("layers",))
    if words[:1] == ["layer"] and words[2:] == [":", "]"]:
        return Expected(table="activations")
    if before == "|>" or (before == ":" and words[-3:-2] in (["<->"], ["->"])):
        return Expected(table="ops", coupling=True)
    if before in (":", "layer"):
        return NOTHING
    return Expected(keywords=KEYWORDS["energy"], names=("layers", "ports"))


def _in_body(level: Level, before: str) -> Expected:
    words = level.words
    statement = words[0] if words else ""
    if statement in _TABLES and len(words) == 1:
        return Expected(table=_TABLES[statement])
    found = {
        ("input", ":"): Expected(table="inputs"),
        ("target", ":"): Expected(table="targets"),
        ("param", ":"): Expected(keywords=tuple(VALUE_TYPES)),
        ("param", "="): Expected(keywords=("true", "false"), names=("values",)),
        ("feedforward", "="): Expected(names=("ports",)),
        ("feedforward", "|>"): Expected(table="ops"),
        ("readout", "="): Expected(names=("ports",)),
        ("readout", "|>"): Expected(table="ops"),
        ("loss", "="): Expected(table="losses"),
        ("out", "="): Expected(names=("layers",)),
        ("block", "="): Expected(names=("templates",)),
    }.get((statement, before))
    if found is not None:
        return found
    if before in _OPERATORS and before:
        return Expected(names=("values",))
    if len(words) == 1 or before in (":", "=", "|>"):
        return NOTHING
    keywords = KEYWORDS.get(level.owner, ())
    if statement == "param" and "in" not in words:
        keywords = ("in", *keywords)
    if not level.tail and not level.bracket:
        keywords = ("ffe", *keywords)
    return Expected(keywords=keywords)
