"""Every fix of a golden spec's diagnostics is applied, and removes its diagnostic."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from ffebm_dsl.language.diagnostics import Diagnostic
from tests.golden.compiled import BAD, HERE, diagnostics_in, diagnostics_of, overrides_of


def mends(diagnostic: Diagnostic, before: tuple[Diagnostic, ...], path: Path) -> bool:
    """Whether the fix makes its diagnostic disappear, in a text that has no new syntax error."""
    assert diagnostic.fix is not None
    fixed = diagnostic.fix.apply(diagnostic.source.text)
    after = diagnostics_in(path.name, fixed, overrides_of(fixed))
    faults = [Counter((d.code, d.message) for d in found) for found in (before, after)]
    key = (diagnostic.code, diagnostic.message)
    broken = any(d.code.startswith("FFE0") for d in after if d.code not in {b.code for b in before})
    return faults[1][key] < faults[0][key] and not broken


def fixable(path: Path) -> list[Diagnostic]:
    """What can be mended in the text of the spec, and not in an override."""
    return [d for d in diagnostics_of(path) if d.fix is not None and d.source.name == path.name]


def test_a_fix_mends_its_fault() -> None:
    tried = 0
    for path in BAD:
        before = diagnostics_of(path)
        for diagnostic in fixable(path):
            assert mends(diagnostic, before, path), (path.name, diagnostic)
            tried += 1
    assert tried > 40


def test_a_help_that_names_another_spelling_has_a_fix() -> None:
    for path in BAD:
        for d in diagnostics_of(path):
            one = d.help.startswith("did you mean") and " or " not in d.help
            assert not one or d.fix or d.code.startswith("FFE0")


@pytest.mark.parametrize("name", ["FFE0003_end", "FFE0004_string", "FFE0001_arrow"])
def test_no_fix_guesses_a_value(name: str) -> None:
    assert fixable(HERE / "bad" / f"{name}.ffe") == []


def test_a_fix_that_mends_nothing_is_found() -> None:
    path = HERE / "bad" / "FFE1006_argument.ffe"
    before = diagnostics_of(path)
    diagnostic = fixable(path)[0]
    assert diagnostic.fix is not None
    useless = dataclasses.replace(diagnostic, fix=diagnostic.fix._replace(edits=()))
    assert not mends(useless, before, path)
