"""What ``ffebm diff`` prints for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from ffebm_dsl.cli.diff import line_of

if TYPE_CHECKING:
    from ffebm_dsl.language.ir import Compiled
    from ffebm_dsl.tools.comparison import (
        ComparedLayer,
        Difference,
        Outline,
        SettingChange,
        SpecComparison,
    )


def page(comparison: SpecComparison, a: Compiled, b: Compiled) -> str:
    """Both networks in a line each, the verdict, and every difference with both places."""
    pairs = comparison.aligned
    lines = [
        _heading("A", a, comparison.a, [pair[0] for pair in pairs]),
        _heading("B", b, comparison.b, [pair[1] for pair in pairs]),
        "",
        str(comparison.verdict),
    ]
    for title, body in (
        ("network", [*_differences(comparison.network, a, b)]),
        ("settings, apart from the network", _settings(comparison.settings)),
        ("training, apart from the network", _settings(comparison.training)),
    ):
        if body:
            lines += ["", title, *body]
    return "\n".join(lines)


def _heading(
    name: str, compiled: Compiled, outline: Outline, chain: Sequence[ComparedLayer | None]
) -> str:
    return (
        f"{name}  {compiled.source.name}: {outline.name}, {outline.layers} layers, "
        f"{outline.parameters:,} parameters\n   {_split([x for x in chain if x is not None])}"
    )


def _split(chain: Sequence[ComparedLayer]) -> str:
    """``[1 2 3] [4 5 6] 7``: layers of one energy block in brackets, digital ones without."""
    text, block = "", ""
    for layer in chain:
        if layer.block != block:
            text += "]" if block else ""
            text += " [" if layer.block else " "
        else:
            text += " "
        text, block = f"{text}{layer.number}", layer.block
    return (text + ("]" if block else "")).strip()


def _differences(differences: Sequence[Difference], a: Compiled, b: Compiled) -> Iterator[str]:
    """A line for each pair of places, and under it what differs there."""
    for numbers, group in groupby(differences, lambda d: (d.a.layer, d.b.layer)):
        found = list(group)
        yield f"  {_where(numbers, found[0])}{_places(found[0], a, b)}"
        widths = [max(len(text) for text in texts) for texts in zip(*map(_row, found), strict=True)]
        for row in map(_row, found):
            cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
            yield f"    {cells[0]}  A {cells[1]}  B {cells[2]}".rstrip()


def _row(difference: Difference) -> tuple[str, str, str]:
    return difference.what, difference.a.has, difference.b.has


def _where(numbers: tuple[int, int], difference: Difference) -> str:
    of_a, of_b = numbers
    if of_a and of_b:
        layer = f"layer {of_a}" if of_a == of_b else f"layer {of_a} of A, {of_b} of B"
        return f"{layer}{', where a block begins or ends' if difference.at_boundary else ''}"
    if of_a or of_b:
        return f"layer {of_a or of_b} of {'A' if of_a else 'B'} alone"
    return "model"


def _places(difference: Difference, a: Compiled, b: Compiled) -> str:
    texts = [
        f"{name} {side.text}, line {line}"
        for name, side, compiled in (("A", difference.a, a), ("B", difference.b, b))
        if (line := line_of(side, compiled)) is not None
    ]
    return f" ({'; '.join(texts)})" if texts else ""


def _settings(settings: Sequence[SettingChange]) -> list[str]:
    rows = []
    for setting in settings:
        names = dict.fromkeys(a if a == b else f"{a} | {b}" for a, b in setting.blocks)
        where = f" ({', '.join(names)})" if names else ""
        rows.append(f"  {setting.key}{where}: A {setting.a}, B {setting.b}")
    return rows
