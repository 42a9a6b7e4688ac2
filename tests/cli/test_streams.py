"""Standard streams that are closed, full or of another encoding, in every command."""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

SPEC = str(Path(__file__).parents[2] / "specs" / "small" / "digits.ffe")

RUN = """
import os, sys
import typer.rich_utils
from ffebm_dsl.cli import check, convert, diff, explain, fmt, show, show_tables
from ffebm_dsl.cli.main import main
from ffebm_dsl.language import interchange, ir
from ffebm_dsl.language.syntax.grammar import parser
from ffebm_dsl.tools import drawing
from ffebm_dsl.tools.comparison import spec_comparison

parser()

codes = []
for line in sys.argv[2:]:
    child = os.fork()
    if not child:
        os._exit(main(line.split()))
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
with open(sys.argv[1], "w") as file:
    file.write(repr(codes))
"""
"""Runs each command in a process of its own, with the streams that this one was given.

What most of them import is imported once, before.
"""

COMMANDS = {
    "--version": 0,
    "--help": 0,
    f"show {SPEC}": 0,
    f"show {SPEC} --json": 0,
    f"show {SPEC} --graph -": 0,
    f"check {SPEC} --static": 0,
    f"check {SPEC} --static --json": 0,
    f"fmt {SPEC} --check": 0,
    f"convert {SPEC} --to json": 0,
    f"diff {SPEC} {SPEC}": 0,
    "explain FFE0001": 0,
    "explain FFE9999": 2,
    "data list": 0,
    "specs list": 0,
    "specs show digits": 0,
    "schema": 0,
    "new": 2,
    "nonsense": 2,
    "check absent.ffe": 2,
    "train absent.ffe": 2,
}
"""Commands, and how each ends whatever becomes of what it says."""

SILENT = {f"fmt {SPEC} --check"}
"""Those that have nothing for standard output."""


def ended(redirection: str, commands: list[str], tmp_path: Path) -> dict[str, int]:
    out = tmp_path / "codes"
    words = shlex.join([sys.executable, "-c", RUN, str(out), *commands])
    subprocess.run(["sh", "-c", f"exec {words} {redirection}"], check=True, cwd=tmp_path)
    return dict(zip(commands, ast.literal_eval(out.read_text()), strict=True))


@pytest.mark.parametrize(
    "redirection", ["</dev/null >&-", "</dev/null 2>&-", "<&- >&- 2>&-", "2>/dev/full >/dev/null"]
)
def test_a_closed_stream_changes_no_exit_code(redirection: str, tmp_path: Path) -> None:
    assert ended(redirection, [*COMMANDS], tmp_path) == COMMANDS


def test_a_result_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    commands = [name for name, code in COMMANDS.items() if code == 0 and name not in SILENT]
    assert set(ended(">/dev/full 2>&-", commands, tmp_path).values()) == {74}


def test_standard_input_that_is_closed_cannot_be_read(tmp_path: Path) -> None:
    commands = ["fmt -", "check - --static", "show -", "lsp", "convert - --to json"]
    codes = ended("<&- >/dev/null 2>&-", commands, tmp_path)
    assert codes == dict.fromkeys(commands, 2)


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """With standard output closed, a file that is opened would be number 1 and hold results."""
    commands = [f"convert {SPEC} a.json", f"show {SPEC} --graph b.svg"]
    assert set(ended(">&- 2>&-", commands, tmp_path).values()) == {0}
    assert (tmp_path / "a.json").read_text().startswith("{")
    assert (tmp_path / "b.svg").read_text().startswith("<svg")


def test_a_character_that_the_encoding_lacks_is_escaped(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ffebm_dsl", "show", SPEC],
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"digits" in done.stdout
