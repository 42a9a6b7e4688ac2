"""A short run of the fuzzer of the front end, which detects planted bugs."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from benchmarks import fuzz_specs
from benchmarks.fuzz_inputs import KINDS, Case, deep, dense, full, huge
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.syntax.reading import MAX_BYTES

COUNTS = {full: 2, dense: 2, huge: 2, deep: 8}
"""Inputs of the kinds of which one takes as long as many of another; of those there are 35."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_file_is_answered(kind: Callable[[random.Random], Case]) -> None:
    """224 inputs in all; docs/errors.md says so."""
    count = COUNTS.get(kind, 35)
    ended = {fuzz_specs.try_one(seed, kind).how for seed in range(count)}
    assert any(how.endswith(("refused", "not read")) for how in ended)


def test_the_kinds_are_what_they_should_be() -> None:
    assert len(huge(random.Random(0)).content) > 9 << 20
    assert all(len(full(random.Random(seed)).content) > MAX_BYTES - 9999 for seed in range(3))
    names = {kind(random.Random(seed)).name for kind in KINDS for seed in range(4)}
    assert names == {"fuzz.ffe", "fuzz.yaml", "fuzz.json"}


def test_a_bug_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(source: SourceFile, overrides: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr(fuzz_specs, "compile_spec", broken)
    assert fuzz_specs.run(0, 50) == 1
    assert "RecursionError" in capsys.readouterr().out


@pytest.mark.parametrize(("limit", "value"), [("SECONDS", -1.0), ("MEGABYTES", -1.0)])
def test_what_takes_too_much_is_reported(
    limit: str,
    value: float,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(fuzz_specs, limit, value)
    assert fuzz_specs.run(0, 3) == 1
    assert "seed 0: " in capsys.readouterr().out


def test_a_run_says_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz_specs.run(3, 4) == 0
    out = capsys.readouterr().out
    assert out.startswith("4 inputs, ") and "refused: " in out
