"""The specs beyond the paper are on docs/physics.md, pass their checks, and learn the digits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main

ROOT = Path(__file__).parents[2]
SPECS = sorted((ROOT / "specs" / "beyond").glob("*.ffe"))
LEARNED = 0.9
"""The part of the test digits that every spec classifies rightly, at least."""

each = pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)


@each
def test_it_is_on_the_page(path: Path) -> None:
    page = (ROOT / "docs" / "physics.md").read_text(encoding="utf-8")
    assert f"| `{path.stem}` |" in page


@each
def test_it_is_valid(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--static", str(path)]) == 0
    assert "warning" not in capsys.readouterr().err


@each
@pytest.mark.slow
def test_its_gradients_are_right(path: Path) -> None:
    assert main(["check", str(path)]) == 0


@each
@pytest.mark.slow
def test_it_learns(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "run")
    assert main(["train", str(path), "--out", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["top1"] > LEARNED
