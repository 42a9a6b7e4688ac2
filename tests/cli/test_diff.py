"""``ffebm diff`` as a command: exit codes, settings of either side, faulty specs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main

ROOT = Path(__file__).parents[2]
SIX = str(ROOT / "specs" / "paper" / "split_l6_bs6.ffe")
THREE = str(ROOT / "specs" / "paper" / "split_l6_bs3.ffe")


def test_settings_are_of_one_side(capsys: pytest.CaptureFixture[str]) -> None:
    narrow = ["width=8", "gradient=implicit()"]
    options = [word for s in narrow for word in ("--set-a", s)]
    assert main(["diff", SIX, THREE, *options, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {row["what"] for row in found["network"]} == {"channels", "features"}
    assert "gradient" in {row["key"] for row in found["settings"]}
    both = [*options, "--set-b", "width=8"]
    assert main(["diff", SIX, THREE, *both]) == 0


def test_places_are_lines_of_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", SIX, THREE, "--set-a", "slope=0.5", "--json"]) == 1
    for row in json.loads(capsys.readouterr().out)["network"]:
        for side, path in (("a", SIX), ("b", THREE)):
            line = Path(path).read_text().splitlines()[row[side]["line"] - 1]
            assert "feedforward" in line or "<->" in line


def test_a_faulty_spec_is_exit_code_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faulty = tmp_path / "faulty.ffe"
    faulty.write_text("ffe 1.0\nmodel m { }\n")
    assert main(["diff", SIX, str(faulty)]) == 2
    assert "FFE1014" in capsys.readouterr().err
    assert main(["diff", SIX, str(tmp_path / "absent.ffe")]) == 2
    assert main(["diff", SIX, THREE, "--set-b", "widht=8"]) == 2
    assert "--set-b:1:1\n1 | widht" in capsys.readouterr().err
    assert main(["diff", SIX, THREE, "--set-a", "width"]) == 2
    assert "error: --set-a width: not of the form" in capsys.readouterr().err


def test_the_page_shows_what_is_printed() -> None:
    printed = (ROOT / "tests" / "golden" / "diff" / "l6_bs6_bs2.txt").read_text()
    assert f"\n{printed}```" in (ROOT / "docs" / "diff.md").read_text()
