"""The reference tables of docs/language.md, generated from the registry.

``python tests/unit/language/registry/reference.py`` writes them to the page, each after its
``<!-- table: NAME -->`` mark; a test ensures that the page is current.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ffebm_dsl.language.diagnostics.diagnostic import CODES
from ffebm_dsl.language.registry import (
    CONNECTIONS,
    HARDWARE,
    PHASES,
    TABLES,
    TRAIN,
    Construct,
    Kind,
    Parameter,
)
from ffebm_dsl.language.registry.parameters import describe_default

PAGE = Path(__file__).parents[4] / "docs" / "language.md"
_MARK = re.compile(r"^<!-- table: (\w+) -->\n(?:\n(?:\|.*\n)+)?", re.MULTILINE)


def with_tables(text: str) -> str:
    """The page with every table as the registry has it."""
    return _MARK.sub(lambda m: f"<!-- table: {m[1]} -->\n\n{_table(m[1])}", text)


def _table(name: str) -> str:
    if name == "codes":
        return _rows(["code", "meaning"], [[f"`{code}`", title] for code, title in CODES.items()])
    if name == "connections":
        return _connections(CONNECTIONS)
    if name == "phases":
        return _phases(PHASES)
    if name in ("train", "hardware"):
        return _parameters(TRAIN if name == "train" else HARDWARE)
    rows = [
        [f"`{_call(entry)}`", entry.doc, "; ".join(map(_argument, entry.parameters))]
        for entry in TABLES[name].visible().values()
    ]
    return _rows(["call", "meaning", "arguments"], rows)


def _call(signature: Construct) -> str:
    return f"{signature.name}({', '.join(map(_with_default, signature.parameters))})"


def _with_default(parameter: Parameter) -> str:
    default = describe_default(parameter)
    return f"{parameter.name}={default}" if default else parameter.name


def _argument(parameter: Parameter) -> str:
    return f"`{parameter.name}`: {parameter.doc} ({_range(parameter)})"


def _range(parameter: Parameter) -> str:
    """The numbers or words that a parameter takes."""
    words = [f"`{choice}`" for choice in parameter.choices]
    if parameter.kind is not Kind.CHOICE:
        words = [", ".join(filter(None, [str(parameter.kind), str(parameter.bounds)])), *words]
    return " or ".join(words)


def _parameters(signature: Construct) -> str:
    rows = []
    for parameter in signature.parameters:
        default = describe_default(parameter)
        kind = str(parameter.kind)
        if parameter.table:
            kind = f"{'some' if parameter.kind is Kind.CALLS else 'one'} of the {parameter.table}"
        range_ = ", ".join(filter(None, [kind, str(parameter.bounds)]))
        rows.append([f"`{parameter.name}`", f"`{default}`" if default else "required", range_])
        rows[-1].append(parameter.doc)
    return _rows(["key", "default", "value", "meaning"], rows)


def _connections(connections: Mapping[str, Construct]) -> str:
    """The keys of all connections, each with those that have it."""
    keys = {p.name: p for c in connections.values() for p in c.parameters}
    rows = []
    for name, parameter in keys.items():
        holders = [f"{c.name}s" for c in connections.values() if name in c.names]
        default = f"`{describe_default(parameter)}`"
        row = [f"`{name}`", " and ".join(holders), default, _range(parameter), parameter.doc]
        rows.append(row)
    return _rows(["key", "of", "default", "value", "meaning"], rows)


def _phases(phases: Mapping[str, Construct]) -> str:
    free, nudged = phases["free"], phases["nudged"]
    rows = []
    for parameter in free.parameters:
        shared = any(p.name == parameter.name for p in nudged.parameters)
        other = nudged.parameter(parameter.name) if shared else parameter
        defaults = [f"`{describe_default(p)}`" for p in (parameter, other)]
        if not shared:
            defaults[1] = "no such key"
        bounds = [str(parameter.bounds), str(other.bounds)]
        range_ = bounds[0] if bounds[0] == bounds[1] else f"{bounds[0]}; nudged {bounds[1]}"
        rows.append([f"`{parameter.name}`", *defaults, range_, parameter.doc])
    return _rows(["key", "free", "nudged", "range", "meaning"], rows)


def _rows(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
