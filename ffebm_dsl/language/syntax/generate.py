"""The grammar -> the parser's tables: the only user of Lark, which works them out.

``python -m ffebm_dsl.language.syntax.generate`` writes them beside the grammar. States and
rules are numbered in an order that follows from the grammar alone, so the same grammar gives the
same
file everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import lark
from lark.parsers.lalr_analysis import Shift

from ffebm_dsl.language.syntax.tables import (
    CHILD,
    FILE,
    PARTS,
    Rule,
    Tables,
    checksum,
    grammar_text,
)

STARTS = ("start", "override")

LarkStates = Mapping[int, Mapping[str, tuple[Any, Any]]]


def build_parser(lexer: Literal["contextual", "basic"] = "contextual") -> lark.Lark:
    """Lark's parser of the grammar; a ``basic`` lexer knows keywords wherever they stand."""
    return lark.Lark(
        grammar_text(),
        parser="lalr",
        lexer=lexer,
        start=[*STARTS],
        propagate_positions=True,
        maybe_placeholders=True,
    )


def make_tables() -> Tables:
    """The tables, from the grammar."""
    parser = build_parser()
    confs = {name: _conf_of(parser, name) for name in STARTS}
    states: LarkStates = confs[STARTS[0]].states
    order = _order(states, [confs[name].start_state for name in STARTS])
    numbers = {state: number for number, state in enumerate(order)}
    rules = {rule: number for number, rule in enumerate(sorted(parser.rules, key=_key_of))}

    def action(found: tuple[Any, Any]) -> int:
        kind, argument = found
        return numbers[argument] if kind is Shift else -1 - rules[argument]

    return Tables(
        [_rule(rule) for rule in rules],
        [
            {symbol: action(states[state][symbol]) for symbol in sorted(states[state])}
            for state in order
        ],
        {name: numbers[confs[name].start_state] for name in STARTS},
        {name: numbers[confs[name].end_state] for name in STARTS},
    )


def _conf_of(parser: lark.Lark, start: str) -> Any:
    return parser.parse_interactive("", start=start).parser_state.parse_conf


def _order(states: LarkStates, starts: list[int]) -> list[int]:
    """All states, each after one that leads to it, in the order of what leads there."""
    order = [*starts]
    for state in order:
        for symbol in sorted(states[state]):
            kind, argument = states[state][symbol]
            if kind is Shift and argument not in order:
                order.append(argument)
    return order


def _key_of(rule: Any) -> tuple[str, list[str]]:
    return rule.origin.name, [symbol.name for symbol in rule.expansion]


def _rule(rule: Any) -> Rule:
    picks = (*_picks(rule),)
    name = rule.alias or rule.origin.name
    if name.startswith("_"):
        name = PARTS
    elif rule.options.expand1 and not rule.alias and len(picks) == 1:
        name = CHILD
    return Rule(rule.origin.name, len(rule.expansion), name, picks)


def _picks(rule: Any) -> Iterator[int | None]:
    """The children of a rule's node. Lark marks optional parts that were left out by True,
    and symbols by False."""
    marks = rule.options.empty_indices or [False] * len(rule.expansion)
    symbols = iter(enumerate(rule.expansion))
    for left_out in marks:
        if left_out:
            yield None
            continue
        at, symbol = next(symbols)
        if symbol.is_term:
            if not symbol.filter_out:
                yield at
        else:
            yield -1 - at if symbol.name.startswith("_") else at


def text_of(tables: Tables) -> str:
    """The text of the tables' file."""
    stored = {"grammar_crc32": checksum(), **tables._asdict()}
    return json.dumps(stored, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    with Path(str(files("ffebm_dsl.grammar").joinpath(FILE))).open("w", encoding="ascii") as out:
        out.write(text_of(make_tables()))
