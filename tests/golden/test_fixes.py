"""Every fix that a golden spec's diagnostics carry is made, and mends what it is said to mend."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from ffebm_dsl.language.diagnostics import Diagnostic, SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec
from tests.tables import restored_tables

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.ffe"))


def diagnostics_of(path: Path, text: str) -> tuple[Diagnostic, ...]:
    # Some are asked for while tests are collected, before any fixture restores the tables.
    with restored_tables():
        try:
            return compile_spec(SourceFile(path.name, text)).warnings
        except SpecError as fault:
            return fault.diagnostics


def mends(diagnostic: Diagnostic, before: tuple[Diagnostic, ...], path: Path) -> bool:
    """Whether the fix makes its diagnostic disappear, in a text that has no new syntax error."""
    assert diagnostic.fix is not None
    after = diagnostics_of(path, diagnostic.fix.apply(diagnostic.source.text))
    faults = [Counter((d.code, d.message) for d in found) for found in (before, after)]
    key = (diagnostic.code, diagnostic.message)
    broken = any(d.code.startswith("FFE0") for d in after if d.code not in {b.code for b in before})
    return faults[1][key] < faults[0][key] and not broken


def fixable(path: Path) -> list[Diagnostic]:
    found = diagnostics_of(path, path.read_text(encoding="utf-8"))
    return [d for d in found if d.fix is not None]


@pytest.mark.parametrize("path", [p for p in BAD if fixable(p)], ids=lambda path: path.stem)
def test_a_fix_mends_its_fault(path: Path) -> None:
    before = diagnostics_of(path, path.read_text(encoding="utf-8"))
    for diagnostic in fixable(path):
        assert mends(diagnostic, before, path), diagnostic


def test_a_help_that_names_another_spelling_has_a_fix() -> None:
    for path in BAD:
        for d in diagnostics_of(path, path.read_text(encoding="utf-8")):
            one = d.help.startswith("did you mean") and " or " not in d.help
            assert not one or d.fix or d.code.startswith("FFE0")


@pytest.mark.parametrize("name", ["FFE0003_end", "FFE0004_string", "FFE0001_arrow"])
def test_no_fix_guesses_a_value(name: str) -> None:
    assert fixable(HERE / "bad" / f"{name}.ffe") == []


def test_a_fix_that_mends_nothing_is_found() -> None:
    path = HERE / "bad" / "FFE1006_argument.ffe"
    before = diagnostics_of(path, path.read_text(encoding="utf-8"))
    diagnostic = fixable(path)[0]
    assert diagnostic.fix is not None
    useless = dataclasses.replace(diagnostic, fix=diagnostic.fix._replace(edits=()))
    assert not mends(useless, before, path)
