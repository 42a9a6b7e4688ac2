"""Codes, pages, their examples and golden tests correspond one to one.

Each page's failing example produces its code, and its corrected one no diagnostics. An example is a
spec, which is compiled or, if only the gradient check finds the code, checked; or a program, which
is run.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ffebm_dsl.language.diagnostics import Diagnostic, SourceFile, SpecError, render
from ffebm_dsl.language.diagnostics.diagnostic import CODES, pointer
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.registry import ENERGIES, OPS
from tests.golden.test_golden import compare
from tests.unit.language.diagnostics.pages import MEASURED, Example, examples

ROOT = Path(__file__).parents[4]
GOLDEN = ROOT / "tests/golden"
NUMBER = re.compile(r"(?<= )\d+(?:\.\d+)?(?:e-?\d+)?(?= of|,| [a-z]|$)", re.MULTILINE)
"""What is left out of what is expected of a measurement: its figures."""

Run = Callable[[Example, str], str]
"""What an example for this code is told, as text."""


def overrides_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^#! set ([^=\n]+)=(.*)$", text, re.MULTILINE))


def said_of(text: str) -> Sequence[Diagnostic]:
    try:
        return compile_spec(SourceFile("page.ffe", text), overrides_of(text)).warnings
    except SpecError as fault:
        return fault.diagnostics


def measured(text: str) -> Sequence[Diagnostic]:
    """What the gradient check finds in the network of ``text``."""
    from ffebm_dsl.tools.checking import CheckSettings, check, findings

    spec = compile_spec(SourceFile("page.ffe", text))
    report = check(spec.spec, CheckSettings(samples=2))
    return findings(report, spec.source, spec.places)


def codes_in(said: str) -> set[str]:
    return set(re.findall(r"^\w+\[(FFE\w+)\]: ", said, re.MULTILINE))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs an example as whoever reads the page would; what a program adds to ffebm goes again."""

    def run_program(text: str) -> str:
        program = tmp_path / "page.py"
        program.write_text(text, encoding="utf-8")
        with monkeypatch.context() as patch:
            for table in (OPS, ENERGIES):
                patch.setattr(table, "_read", {**table._read})
                patch.setattr(table, "_entries", {**table._entries})
            runpy.run_path(str(program))
        return capsys.readouterr().out

    def run_it(example: Example, code: str) -> str:
        if example.form == "python":
            return run_program(example.text)
        found = (measured if code in MEASURED else said_of)(example.text)
        return "".join(render(diagnostic) + "\n" for diagnostic in found)

    return run_it


@pytest.mark.parametrize("code", CODES)
def test_the_page_has_its_parts(code: str) -> None:
    text = CODES.page(code)
    assert text.startswith(f"# {code}: {CODES[code]}\n\n")
    assert len(text.split("## Failing")[0]) > len(text.splitlines()[0]) + 60
    assert set(examples(code)) == {"Failing", "Corrected"}


@pytest.mark.parametrize("code", CODES)
def test_the_failing_example_fails_and_the_mended_one_does_not(
    code: str, run: Run, update_golden: bool
) -> None:
    said = run(examples(code)["Failing"], code)
    assert code in codes_in(said)
    assert run(examples(code)["Corrected"], code) == ""
    if code in MEASURED:
        compare(GOLDEN / "measured" / code, NUMBER.sub("#", said), update_golden)


def test_a_program_that_breaks_or_says_nothing_is_no_example(run: Run) -> None:
    with pytest.raises(ZeroDivisionError):
        run(Example("python", "1 / 0\n"), "FFE6002")
    assert codes_in(run(Example("python", "print('FFE6002')\n"), "FFE6002")) == set()


def test_every_code_is_reported_by_the_source_and_every_reported_one_is_known() -> None:
    files = [*(ROOT / "ffebm_dsl").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]
    text = "".join(path.read_text() for path in files)
    assert set(re.findall(r'"(FFE(?:\d|W)\d{3})"', text)) == set(CODES)


def test_every_code_has_a_golden_file() -> None:
    texts = {path.name[:7] for path in (GOLDEN / "bad").glob("FFE*.ffe")}
    assert texts == set(CODES) - MEASURED
    assert {path.stem for path in (GOLDEN / "measured").iterdir()} == MEASURED


def test_the_pointer_names_what_was_reported() -> None:
    assert pointer([]) == ""
    assert pointer(["FFE2003", "FFE2003"]) == "`ffebm explain FFE2003` says more"
    assert pointer(["FFE2003", "FFE1001"]).endswith("FFE1001, FFE2003")


def test_a_page_of_no_code_is_asked_for() -> None:
    with pytest.raises(KeyError):
        CODES.page("FFE9999")
