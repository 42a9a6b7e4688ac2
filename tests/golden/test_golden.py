"""Golden specs: the IR of good ones, the diagnostics of bad ones.

``NAME.expected`` is beside ``NAME.ffe``; ``pytest --update-golden`` writes it. Lines
``#! set key=value`` of a spec are overrides.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ffebm_dsl.language.diagnostics import SourceFile, render
from ffebm_dsl.language.diagnostics.diagnostic import CODES
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.tools.outline import outline
from tests.golden.compiled import BAD, GOOD, HERE, diagnostics_of, overrides_of
from tests.unit.language.diagnostics.pages import MEASURED


def compare(path: Path, found: str, update: bool) -> None:
    expected = path.with_suffix(".expected")
    if update:
        expected.write_text(found, encoding="utf-8")
    assert expected.is_file(), f"{expected} is missing: run pytest --update-golden"
    assert found == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad(path: Path, update_golden: bool) -> None:
    diagnostics = diagnostics_of(path)
    compare(path, "\n\n".join(map(render, diagnostics)) + "\n", update_golden)
    code = path.stem.partition("_")[0]
    assert code in {d.code for d in diagnostics} or path.stem == "many_faults"


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good(path: Path, update_golden: bool) -> None:
    text = path.read_text(encoding="utf-8")
    compiled = compile_spec(SourceFile(path.name, text), overrides_of(text))
    assert compiled.warnings == ()
    compare(path, outline(compiled.spec, compiled.source), update_golden)


def test_every_code_has_a_bad_spec() -> None:
    seen = {diagnostic.code for path in BAD for diagnostic in diagnostics_of(path)}
    assert seen == set(CODES) - MEASURED


def test_no_expectation_is_left_over() -> None:
    specs = {path.with_suffix("") for path in (*GOOD, *BAD)}
    written = [*HERE.glob("good/*.expected"), *HERE.glob("bad/*.expected")]
    expected = {path.with_suffix("") for path in written}
    assert expected == specs
