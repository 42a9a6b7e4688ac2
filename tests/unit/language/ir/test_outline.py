"""``ffebm show --after``: golden outlines, and their completeness."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.cli.show import After
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.tools.outline import outline

HERE = Path(__file__).parent / "outline"
TEXT = (HERE / "tiny.ffe").read_text(encoding="utf-8")


@pytest.mark.parametrize("after", After)
def test_golden(
    after: After,
    update_golden: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(HERE)
    assert main(["show", "tiny.ffe", "--after", after]) == 0
    out, err = capsys.readouterr()
    expected = HERE / f"{after}.expected"
    if update_golden:
        expected.write_text(out, encoding="utf-8")
    assert out == expected.read_text(encoding="utf-8")
    assert err == ""


def test_specs_that_differ_have_outlines_that_differ() -> None:
    def ir(text: str) -> str:
        source = SourceFile("tiny.ffe", text)
        return outline(compile_spec(source).spec, source)

    assert ir(TEXT) == ir(TEXT.replace("# 7 units", "# seven"))
    assert ir(TEXT) != ir(TEXT.replace("after=5", "after=6"))


@pytest.mark.parametrize(("after", "shown"), [("resolved", "activation=none"), ("ast", "tahn")])
def test_a_faulty_spec_is_shown_as_far_as_it_goes(
    after: str, shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.ffe"
    path.write_text(TEXT.replace("hard_sigmoid(0.5)", "tahn"), encoding="utf-8")
    status = main(["show", str(path), "--after", after])
    out, err = capsys.readouterr()
    assert shown in out
    assert (status, "FFE1005" in err) == ((0, False) if after == "ast" else (2, True))


def test_no_ir_of_a_faulty_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.ffe"
    path.write_text(TEXT.replace("linear(3)", "linear(4)"), encoding="utf-8")
    assert main(["show", str(path), "--after", "ir"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "FFE2006" in err


def test_json_and_after_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(HERE / "tiny.ffe"), "--after", "ir", "--json"]) == 2
    assert "exclude each other" in capsys.readouterr().err
