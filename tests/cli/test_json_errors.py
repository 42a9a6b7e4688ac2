"""With --json, a failing command prints one JSON object too, with the same exit code."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ffebm_dsl.cli.console import emit_json
from ffebm_dsl.cli.main import main

SPEC = str(Path(__file__).parents[2] / "specs" / "small" / "digits.ffe")


@pytest.mark.parametrize(
    ("line", "message", "codes"),
    [
        (["show", "bad.ffe"], "1 error", ["FFE0003"]),
        (["show", "absent.ffe"], "absent.ffe does not exist", []),
        (["show", SPEC, "--set", "widht=3"], "1 error", ["FFE1019"]),
        (["show", SPEC, "--bogus"], "--bogus", []),
        (["diff", SPEC, "bad.ffe"], "1 error", ["FFE0003"]),
        (["train", "bad.ffe"], "1 error", ["FFE0003"]),
        (["train", "--resume", "absent"], "absent is not a run directory", []),
        (["eval", "absent"], "absent is not a run directory", []),
        (["bench", "bad.ffe"], "1 error", ["FFE0003"]),
        (["check", SPEC, "--device", "abacus"], "unknown device", []),
        (["check", "absent.ffe"], "absent.ffe does not exist", []),
        (["check", "absent.ffe", "--static"], "absent.ffe does not exist", []),
        (["data", "verify", "mnsit"], "no data set is called", []),
    ],
    ids=lambda value: " ".join(map(str, value[:2])) if isinstance(value, list) else None,
)
def test_an_error_is_one_json_object(
    line: list[str],
    message: str,
    codes: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.ffe").write_text("ffe 1.0\nmodel")
    assert main(line) == 2
    plain = capfd.readouterr()
    assert plain.out == "" and plain.err
    assert main([*line, "--json"]) == 2
    shown = capfd.readouterr()
    result = json.loads(shown.out)
    assert result["ok"] is False and message in result["error"]
    assert [d["code"] for d in result["diagnostics"]] == codes
    assert result["exit_code"] == 2 and result["help"] in shown.err
    assert shown.err == plain.err


def test_what_json_has_no_number_for_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"a": [math.nan, 1.5, (math.inf, None)], "b": {"c": -math.inf, "d": True}})
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"a": [None, 1.5, [None, None]], "b": {"c": None, "d": True}}
