"""``ffebm diff``: are two specs the same network, split differently?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ffebm_dsl.cli.completion import spec_files
from ffebm_dsl.cli.console import emit, emit_json
from ffebm_dsl.cli.spec import compile_file
from ffebm_dsl.language.diagnostics import NegativeResult

if TYPE_CHECKING:
    from ffebm_dsl.language.ir import Compiled
    from ffebm_dsl.tools.comparison import Difference, Side, SpecComparison


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
    """Say whether two specs are one network, split differently.

    What differs otherwise is named. Exit code 0: they are; 1: they are not; 2: a spec is invalid.
    """
    from ffebm_dsl.tools.comparison import compare

    compiled = (
        compile_file(a, settings_a, allow_large=True),
        compile_file(b, settings_b, allow_large=True),
    )
    comparison = compare(compiled[0].spec, compiled[1].spec)
    if as_json:
        emit_json(to_record(comparison, *compiled))
    else:
        from ffebm_dsl.cli.diff_text import page

        emit(page(comparison, *compiled))
    if not comparison.verdict.same:
        raise typer.Exit(NegativeResult.exit_code)


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
