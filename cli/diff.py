"""``ffebm diff``: are two specs the same network, split differently?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ffebm_dsl.cli.completion import spec_files
from ffebm_dsl.cli.console import emit, emit_json
from ffebm_dsl.cli.spec import compile_file, parse_settings
from ffebm_dsl.language.diagnostics import Diagnostic, NegativeResult, SpecError

if TYPE_CHECKING:
    from ffebm_dsl.language.ir import Compiled
    from ffebm_dsl.tools.comparison.layer_chain import ComparedLayer
    from ffebm_dsl.tools.comparison.layers import Difference, Side
    from ffebm_dsl.tools.comparison.settings import SettingChange
    from ffebm_dsl.tools.comparison.spec_comparison import Outline, SpecComparison


def diff(
    a: Annotated[
        Path, typer.Argument(help="An .ffe file.", metavar="A", autocompletion=spec_files)
    ],
    b: Annotated[
        Path, typer.Argument(help="Another .ffe file.", metavar="B", autocompletion=spec_files)
    ],
    settings_a: Annotated[
        list[str] | None, typer.Option("--set-a", metavar="KEY=VALUE", help="--set for A.")
    ] = None,
    settings_b: Annotated[
        list[str] | None, typer.Option("--set-b", metavar="KEY=VALUE", help="--set for B.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check whether two specs are the same network, split differently.

    All other differences are listed. Exit code 0: same network; 1: not; 2: a spec is invalid.
    """
    from ffebm_dsl.tools.comparison.spec_comparison import compare

    compiled = _compile(a, settings_a, "--set-a"), _compile(b, settings_b, "--set-b")
    comparison = compare(compiled[0].spec, compiled[1].spec)
    if as_json:
        emit_json(to_record(comparison, *compiled))
    else:
        emit(page(comparison, *compiled))
    if not comparison.verdict.same:
        raise typer.Exit(NegativeResult.exit_code)


def _compile(path: Path, settings: list[str] | None, option: str) -> Compiled:
    """Compile one spec; faults of its settings are told as those of ``option``."""
    parse_settings(settings, option)
    try:
        return compile_file(path, settings, allow_large=True)
    except SpecError as error:
        raise SpecError([_told_as(option, found) for found in error.diagnostics]) from None


def _told_as(option: str, found: Diagnostic) -> Diagnostic:
    if found.source.name != "--set":
        return found
    return replace(found, source=replace(found.source, name=option))


def to_record(comparison: SpecComparison, a: Compiled, b: Compiled) -> dict[str, Any]:
    """A comparison as plain values for JSON; lines count from 1, null where there is none."""
    return {
        "same": comparison.verdict.same,
        "verdict": comparison.verdict.name.lower(),
        "a": {"file": a.source.name, **_outline(comparison.a)},
        "b": {"file": b.source.name, **_outline(comparison.b)},
        "network": [_difference(d, a, b) for d in comparison.network],
        "settings": [_setting(setting) for setting in comparison.settings],
        "training": [_setting(setting) for setting in comparison.training],
    }


def _outline(outline: Any) -> dict[str, Any]:
    values = asdict(outline)
    blocks = [{"block": name, "layers": layers} for name, layers in values.pop("blocks")]
    return {**values, "blocks": blocks}


def _difference(difference: Difference, a: Compiled, b: Compiled) -> dict[str, Any]:
    return {
        "what": difference.what,
        "at_boundary": difference.at_boundary,
        "a": _side(difference.a, a),
        "b": _side(difference.b, b),
    }


def _side(side: Side, compiled: Compiled) -> dict[str, Any]:
    return {
        "layer": side.layer or None,
        "place": side.text or None,
        "line": line_of(side, compiled),
        "has": side.has,
    }


def _setting(setting: Any) -> dict[str, Any]:
    pairs = [{"a": a, "b": b} for a, b in setting.blocks]
    return {"key": setting.key, "a": setting.a, "b": setting.b, "blocks": pairs}


def line_of(side: Side, compiled: Compiled) -> int | None:
    """The line of the text on which a difference is, None where no part is named."""
    span = compiled.places.get(side.place) if side.place else None
    return compiled.source.position(span.start)[0] if span is not None else None


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
