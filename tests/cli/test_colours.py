"""Colours on terminals only, unless the environment says otherwise."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ffebm_dsl.cli.console import coloured, emit, say
from ffebm_dsl.language.diagnostics import (
    Diagnostic,
    Label,
    Piece,
    SourceFile,
    Span,
    pieces,
    render,
)

RED, YELLOW, BLUE, CYAN, GREEN = ("1;31", "1;33", "1;34", "1;36", "1;32")
NAMES = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TERM")
FAULTY = "ffe 1.0\nmoodel m {}\n"
ROOT = Path(__file__).parents[2]


def colour(number: str, text: str) -> str:
    return f"\x1b[{number}m{text}\x1b[0m"


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "terminal", "file"),
    [
        ({}, True, False),
        ({"TERM": "xterm"}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"FORCE_COLOR": "", "CLICOLOR_FORCE": "0"}, True, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
    ids=str,
)
def test_where_there_are_colours(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], terminal: bool, file: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert coloured(Terminal()) is terminal
    assert coloured(io.StringIO()) is file


@pytest.mark.parametrize(("code", "own"), [("FFE0001", RED), ("FFEW001", YELLOW)])
def test_a_diagnostic(monkeypatch: pytest.MonkeyPatch, code: str, own: str) -> None:
    source = SourceFile("m.ffe", "model m\x1b[2J\nmodel m\n")
    found = Diagnostic(
        code,
        "twice",
        source,
        Span(12, 17),
        text="here",
        labels=(Label(Span(0, 5), "first"),),
        notes=("a fact",),
        help="rename it",
    )
    monkeypatch.setattr(sys, "stderr", Terminal())
    say(*pieces(found))
    assert isinstance(sys.stderr, Terminal)
    text = sys.stderr.getvalue()
    assert plain(text) == render(found).replace("\x1b", "\ufffd") + "\n"
    for piece in (
        colour(own, f"{found.severity}[{code}]"),
        colour("1", ": twice"),
        colour(BLUE, "\n  --> "),
        colour(own, "^^^^^ here"),
        colour(BLUE, "----- first"),
        colour(CYAN, "note:"),
        colour(CYAN, "help:"),
    ):
        assert piece in text


def run(
    arguments: list[str], *, stdout: int, stderr: int, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ffebm_dsl", *arguments],
        env={**os.environ, "TERM": "xterm", **environment},
        stdout=stdout,
        stderr=stderr,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )


def shown(master: int, slave: int) -> str:
    """All that was written to a terminal, whose other end is closed now."""
    os.close(slave)
    text = b""
    try:
        while piece := os.read(master, 4096):
            text += piece
    except OSError:  # the end, on Linux
        pass
    os.close(master)
    return text.decode().replace("\r\n", "\n")


def test_messages_on_a_terminal_and_results_in_a_pipe(tmp_path: Path) -> None:
    bad = tmp_path / "bad.ffe"
    bad.write_text(FAULTY)
    good = str(ROOT / "specs/small/digits.ffe")
    master, slave = pty.openpty()
    done = run(["check", "--static", good, str(bad)], stdout=subprocess.PIPE, stderr=slave)
    text = shown(master, slave)
    assert done.returncode == 2
    assert done.stdout == f"{good}: ok\n"
    assert text.startswith(f"\x1b[{RED}merror[FFE0001]\x1b[0m")


def test_results_on_a_terminal_and_messages_in_a_pipe(tmp_path: Path) -> None:
    bad = tmp_path / "bad.ffe"
    bad.write_text(FAULTY)
    good = str(ROOT / "specs/small/digits.ffe")
    master, slave = pty.openpty()
    done = run(["check", "--static", good, str(bad)], stdout=slave, stderr=subprocess.PIPE)
    assert shown(master, slave) == f"{good}: {colour(GREEN, 'ok')}\n"
    assert done.stderr.startswith("error[FFE0001]") and "\x1b" not in done.stderr


@pytest.mark.parametrize("option", ["--json", "--sarif"])
def test_records_have_none_even_where_they_are_forced(tmp_path: Path, option: str) -> None:
    bad = tmp_path / "bad.ffe"
    bad.write_text(FAULTY)
    arguments = ["check", "--static", str(bad), option]
    done = run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, FORCE_COLOR="1")
    assert done.returncode == 2
    assert "\\u001b" not in done.stdout and "\x1b" not in done.stdout
    assert json.loads(done.stdout)


@pytest.mark.parametrize(
    ("environment", "colours"), [({"FORCE_COLOR": "1"}, True), ({}, False)], ids=str
)
def test_other_errors_in_a_pipe(environment: dict[str, str], colours: bool) -> None:
    done = run(
        ["specs", "show", "digitz"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **environment
    )
    expected = "error: no spec is called `digitz`\n  = help: did you mean `digits`?\n"
    assert plain(done.stderr) == expected
    assert (colour(RED, "error") in done.stderr) is colours
    assert (colour(CYAN, "help:") in done.stderr) is colours


def test_the_tables_of_show_follow_the_same_rule() -> None:
    arguments = ["show", str(ROOT / "specs/small/digits.ffe")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    piped = run(arguments, **pipes).stdout
    forced = run(arguments, **pipes, FORCE_COLOR="1").stdout
    assert "\x1b[" in forced and "\x1b" not in piped
    assert plain(forced).split() == piped.split()


def test_a_string_is_plain_and_stays_printable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    emit("a\x1b[31m", Piece("b"))
    assert isinstance(sys.stdout, Terminal)
    assert sys.stdout.getvalue() == "a\ufffd[31mb\n"
