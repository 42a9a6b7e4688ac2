"""Code, page, example in the page and golden test are one set.

Each page's failing example brings its code about, and its mended one compiles without a word.
Codes that no text shows are brought about by the gradient check.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ffebm_dsl.diagnostics import SourceFile, SpecError
from ffebm_dsl.diagnostics.codes import CODES, MEASURED
from ffebm_dsl.diagnostics.pages import examples, page, pointer
from ffebm_dsl.ir import Compiled, compile_spec

ROOT = Path(__file__).parents[3]
WITHOUT_EXAMPLE = {"FFE4004", "FFE6002"}
"""A wrong gradient needs a fault in an op: ``tests/unit/checking`` plants some. The golden file
of a text that expands to too much is longer than a page."""

SLOW = {"FFEW008"}
"""The check freezes the pooling only after it has tried for long without: half a minute."""


def overrides_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^#! set ([^=\n]+)=(.*)$", text, re.MULTILINE))


def codes_of(text: str) -> set[str]:
    try:
        found = compile_spec(SourceFile("page.ffe", text), overrides_of(text)).warnings
    except SpecError as fault:
        found = fault.diagnostics
    return {diagnostic.code for diagnostic in found}


def compiled(text: str) -> Compiled:
    return compile_spec(SourceFile("page.ffe", text))


def measured(text: str) -> set[str]:
    """Codes that the gradient check finds in the network of ``text``."""
    from ffebm_dsl.checking import CheckSettings, check, findings

    spec = compiled(text)
    report = check(spec.spec, CheckSettings(samples=2))
    return {diagnostic.code for diagnostic in findings(report, spec.source, spec.places)}


def test_every_code_has_a_page_and_no_page_is_left_over() -> None:
    pages = (ROOT / "ffebm_dsl/diagnostics/explain").iterdir()
    assert {path.name for path in pages} == {f"{code}.md" for code in CODES}


@pytest.mark.parametrize("code", CODES)
def test_the_page_has_its_parts(code: str) -> None:
    text = page(code)
    assert text.startswith(f"# {code}: {CODES[code]}\n\n")
    assert len(text.split("## Failing")[0]) > len(text.splitlines()[0]) + 60
    wanted = set() if code in WITHOUT_EXAMPLE else {"Failing", "Mended"}
    assert set(examples(code)) == wanted


@pytest.mark.parametrize("code", sorted(set(CODES) - MEASURED - WITHOUT_EXAMPLE))
def test_the_failing_example_fails_and_the_mended_one_does_not(code: str) -> None:
    specs = examples(code)
    assert code in codes_of(specs["Failing"])
    assert codes_of(specs["Mended"]) == set()


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, marks=[pytest.mark.slow] if code in SLOW else [])
        for code in sorted(MEASURED - WITHOUT_EXAMPLE)
    ],
)
def test_the_check_finds_what_the_page_says(code: str) -> None:
    specs = examples(code)
    assert code in measured(specs["Failing"])
    assert measured(specs["Mended"]) == set()


def test_every_code_is_reported_by_the_source_and_every_reported_one_is_known() -> None:
    files = [*(ROOT / "ffebm_dsl").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]
    table = ROOT / "ffebm_dsl/diagnostics/codes.py"
    text = "".join(path.read_text() for path in files if path != table)
    assert set(re.findall(r'"(FFE(?:\d|W)\d{3})"', text)) == set(CODES)


def test_every_code_has_a_golden_file() -> None:
    golden = {path.name[:7] for path in (ROOT / "tests/golden/bad").glob("FFE*.ffe")}
    assert golden == set(CODES) - MEASURED


def test_the_pointer_names_what_was_reported() -> None:
    assert pointer([]) == ""
    assert pointer(["FFE2003", "FFE2003"]) == "`ffebm explain FFE2003` says more"
    assert pointer(["FFE2003", "FFE1001"]).endswith("FFE1001, FFE2003")


def test_a_page_of_no_code_is_asked_for() -> None:
    with pytest.raises(KeyError):
        page("FFE9999")
