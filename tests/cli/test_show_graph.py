"""``ffebm show --graph``: the file that it writes, and exit codes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main

SPEC = str(Path(__file__).parents[2] / "specs" / "small" / "digits.ffe")


def test_a_file_and_stdout_get_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "digits.svg"
    assert main(["show", SPEC, "--graph", str(path)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["show", SPEC, "--graph", "-"]) == 0
    out = capsys.readouterr().out
    assert out == path.read_text(encoding="utf-8")
    assert ET.fromstring(out).tag == "{http://www.w3.org/2000/svg}svg"


def test_overrides_change_the_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", SPEC, "--graph", "-", "--set", "width=8"]) == 0
    assert "[8, 8, 8]" in capsys.readouterr().out


@pytest.mark.parametrize("path", ["", "nowhere/a.svg"])
def test_a_path_that_cannot_be_written(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", SPEC, "--graph", str(tmp_path / path)]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_name_of_another_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.png"
    assert main(["show", SPEC, "--graph", str(path)]) == 2
    assert not path.exists()
    assert f"help: --graph {path.with_suffix('.svg')}" in capsys.readouterr().err


def test_one_output_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", SPEC, "--graph", "-", "--json"]) == 2
    assert "exclude each other" in capsys.readouterr().err
