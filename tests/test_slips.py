"""Typical mistakes in real specs: exit code 2, and the first diagnostic at the mistake.

Half of the mutants were used in the development of the compiler's messages; the other half, drawn
from another seed and disjoint from the first, only here.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main
from tests.mutants import SLIPS, Mutant, errors_of, slips

COUNT, ENOUGH = 100, 95
TUNED_SEED, HELD_OUT_SEED = 1, 2


def tuned() -> list[Mutant]:
    return [*slips(COUNT, TUNED_SEED, stays_legal)]


def held_out() -> list[Mutant]:
    seen = frozenset(mutant.text for mutant in tuned())
    return [*slips(COUNT, HELD_OUT_SEED, stays_legal, seen)]


def stays_legal(text: str) -> bool:
    return not errors_of(text)


def first_line(mutant: Mutant, folder: Path, capsys: pytest.CaptureFixture[str]) -> int:
    """The line of the first diagnostic that ``ffebm check`` gives, which must end with 2."""
    spec = folder / "mutant.ffe"
    spec.write_text(mutant.text, encoding="utf-8")
    assert main(["check", "--static", "--json", str(spec)]) == 2, mutant
    line: int = json.loads(capsys.readouterr().out)["diagnostics"][0]["line"]
    return line


@pytest.mark.slow
@pytest.mark.parametrize("drawn", [tuned, held_out])
def test_the_first_diagnostic_is_on_the_line_of_the_slip_or_the_next(
    drawn: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mutants = drawn() if callable(drawn) else []
    reports = [(m, first_line(m, tmp_path, capsys)) for m in mutants]
    wrong = [(m.origin, m.kinds, m.lines, at) for m, at in reports if at - m.lines[0] not in (0, 1)]
    print(f"{len(mutants) - len(wrong)} of {len(mutants)}", *wrong, sep="\n")
    assert len(wrong) <= COUNT - ENOUGH


@pytest.mark.slow
def test_the_sets_are_disjoint_and_hold_every_kind_of_slip() -> None:
    a, b = tuned(), held_out()
    assert not {m.text for m in a} & {m.text for m in b}
    assert len({m.text for m in a}) == len({m.text for m in b}) == COUNT
    assert {kind for m in b for kind in m.kinds} == {*SLIPS}


def test_some_slips_end_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = [(m, first_line(m, tmp_path, capsys)) for m in slips(4, 3, stays_legal)]
    assert sum(at - m.lines[0] in (0, 1) for m, at in reports) >= 3
