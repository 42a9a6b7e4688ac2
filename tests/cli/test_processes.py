"""Commands in several processes: results, refusals, and which process writes messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffebm_dsl.cli.commands import COMMANDS
from ffebm_dsl.cli.main import main
from tests.ranks import Ranks


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "train"])
def test_every_other_command_is_refused(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever follows it: no command has read its arguments yet."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main([command, "--nonsense"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: `ffebm {command}` runs in one process, but WORLD_SIZE is 2\n")
    assert f"env -u WORLD_SIZE ffebm {command}" in err


@pytest.mark.parametrize("size", ["1", ""])
def test_a_world_of_one_is_no_reason(
    size: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a variable that is set to nothing."""
    for name, value in (("WORLD_SIZE", size), ("RANK", "0"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    assert main(["explain", "FFE0001"]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--version"], ["train", "--help"]])
def test_one_process_prints_help_and_version(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    for rank, printed in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        assert main(arguments) == 0
        assert bool(capsys.readouterr().out) is printed


@pytest.mark.slow
def test_a_usage_error_of_one_process_is_not_hidden(tmp_path: Path) -> None:
    """Process 0 has begun to train, and hears of it where all meet."""
    (code, out, err), other = Ranks(tmp_path, [["train", "a.ffe"], ["train", "--nonsense"]]).ended()
    assert (code, out, other) == (2, "", (2, "", ""))
    assert err.startswith("error: process 1: No such option: --nonsense")
    assert err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["eval", "run"], "error: `ffebm eval` runs in one process, but WORLD_SIZE is 3\n"),
        (["train", "--nonsense"], "Usage: ffebm train"),
        (["trian"], "Usage: ffebm"),
    ],
)
def test_process_0_says_it_for_all(tmp_path: Path, line: list[str], said: str) -> None:
    (code, out, err), *others = Ranks(tmp_path, [line] * 3).ended()
    assert (code, out) == (2, "") and err.startswith(said)
    assert others == [(2, "", "")] * 2


def test_who_meets_nobody_says_it_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A launcher that does not say where the others are."""
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "1"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    assert main(["train", "--nonsense"]) == 2
    assert "No such option: --nonsense" in capsys.readouterr().err
