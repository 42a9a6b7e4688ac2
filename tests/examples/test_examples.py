"""Every example runs and does what it says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_from_python(capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(EXAMPLES / "from_python.py"))["main"]
    assert main(epochs=3) > 0.8
    assert "free sweeps" in capsys.readouterr().out


def test_own_model(capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(EXAMPLES / "own_model.py"))["main"]
    assert main(steps=120) > 0.9
    assert "loss" in capsys.readouterr().out


def test_every_example_is_tested() -> None:
    """`read_record.py` is run on a real record by the tests of the records."""
    tests = "".join(p.read_text() for p in EXAMPLES.parent.joinpath("tests").rglob("test_*.py"))
    for example in EXAMPLES.glob("*.py"):
        assert example.name in tests
