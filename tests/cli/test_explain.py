"""``ffebm explain``: one page, the list, and a misspelt code."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.language.diagnostics.diagnostic import CODES


@pytest.mark.parametrize("code", ["FFE2003", "ffe2003"])
def test_a_page(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", code]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("# FFE2003: coupling does not fit its layer")
    assert "## Corrected" in said.out and not said.err


def test_the_list_has_every_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [*CODES]


def test_a_misspelt_code_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "FEE2003"]) == 2
    assert "did you mean `FFE2003`?" in capsys.readouterr().err
    assert main(["explain", "nonsense"]) == 2
    assert "lists all codes" in capsys.readouterr().err


def test_a_construct(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "ep"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# ep: gradient estimator\n")
    for part in ("ep(beta=0.2, estimator=centered", "- `beta`: real", "Equation: ", "1602.05179"):
        assert part in said


def test_a_name_of_several_constructs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "hard_sigmoid"]) == 0
    said = capsys.readouterr().out
    assert "# hard_sigmoid: op\n" in said and "# hard_sigmoid: activation\n" in said
    assert "torch.nn.Hardsigmoid is" in said


def test_a_construct_of_an_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "bent"]) == 0
    said = capsys.readouterr().out
    assert "From the package lab-devices 0.3.1" in said
    assert "The package lab-rivals brings another activation `bent`." in said


def test_a_misspelt_name_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "covn2d"]) == 2
    assert "did you mean `conv2d`?" in capsys.readouterr().err


def test_what_was_reported_is_pointed_at(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spec = tmp_path / "a.ffe"
    spec.write_text("ffe 1.0\nparam a: integer = 1\n", encoding="utf-8")
    assert main(["check", "--static", str(spec)]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last == "2 errors; `ffebm explain CODE` says more about each of FFE1014, FFE1017"
