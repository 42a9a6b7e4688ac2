"""Recall of error recovery in one run, and the rate of spurious reports.

Measured on the project's own specs with one or three random tokens damaged, drawn from a seed;
``docs/errors.md`` states the printed figures (``pytest -s``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import pytest

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.syntax import parse_with_recovery
from tests.mutants import Mutant, draw, errors_of, found, line_of_report, spurious

RECALL, SPURIOUS = 0.92, 0.16
"""Least share of faults found; most spurious reports per program with three faults."""

PROGRAMS, SEED = 60, 20260

Reports = Callable[[str], list[int]]


def by_syntax(text: str) -> list[int]:
    """Lines of the syntax errors."""
    return [*map(line_of_report, parse_with_recovery(SourceFile("m.ffe", text)).diagnostics)]


def by_compiler(text: str) -> list[int]:
    """Lines of all errors; one that is said in the same words of every use of a name is one."""
    first = {(d.code, d.message): d for d in reversed(errors_of(text))}
    return sorted(map(line_of_report, first.values()))


class Figures(NamedTuple):
    recall: float
    reports: float
    spurious: float


def measure(reports: Reports, faults: int, stays_legal: Callable[[str], bool]) -> Figures:
    """Figures over programs with ``faults`` spoiled tokens each, none of which would leave a
    legal text alone."""
    mutants = drawn(faults, stays_legal)
    lines = [reports(mutant.text) for mutant in mutants]
    hits = sum(found(m.lines, said) for m, said in zip(mutants, lines, strict=True))
    false = sum(spurious(m.lines, said) for m, said in zip(mutants, lines, strict=True))
    return Figures(hits / (PROGRAMS * faults), sum(map(len, lines)) / PROGRAMS, false / PROGRAMS)


@cache
def drawn(faults: int, stays_legal: Callable[[str], bool]) -> tuple[Mutant, ...]:
    return tuple(draw(PROGRAMS, faults, SEED, stays_legal))


def no_syntax_error(text: str) -> bool:
    return not by_syntax(text)


def no_error(text: str) -> bool:
    return not errors_of(text)


@pytest.mark.parametrize("faults", [1, 3])
@pytest.mark.parametrize(
    ("reports", "stays_legal"), [(by_syntax, no_syntax_error), (by_compiler, no_error)]
)
def test_faults_are_found_and_nothing_else(
    reports: Reports, stays_legal: Callable[[str], bool], faults: int
) -> None:
    figures = measure(reports, faults, stays_legal)
    print(f"{reports.__name__}, {faults} per program: {figures}")
    assert figures.recall >= RECALL
    assert figures.spurious <= SPURIOUS


def test_a_compiler_that_stops_at_the_first_fault_fails() -> None:
    first = measure(lambda text: by_syntax(text)[:1], 3, no_syntax_error)
    assert first.recall < RECALL


def test_a_compiler_that_reports_every_line_fails() -> None:
    every = measure(lambda text: [*range(1, text.count("\n") + 1)], 3, no_syntax_error)
    assert every.spurious > SPURIOUS


def test_mutants_are_the_same_every_time() -> None:
    assert [*draw(3, 3, 7)] == [*draw(3, 3, 7)]
    assert all(isinstance(mutant, Mutant) for mutant in draw(1, 1, 7))
