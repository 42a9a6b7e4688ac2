"""``ffebm fmt``: specs in canonical layout."""

from __future__ import annotations

import gc
import re
from difflib import unified_diff
from pathlib import Path
from typing import Annotated

import typer

from ffebm_dsl.cli.console import emit_text, say
from ffebm_dsl.cli.files import STREAM, read_spec, write_text
from ffebm_dsl.diagnostics import FfebmError, NegativeResult


def fmt(
    files: Annotated[
        list[Path], typer.Argument(help="Specs; - formats standard input to standard output.")
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a spec would change.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; print what would change.")
    ] = False,
) -> None:
    """Format specs in place: one layout for all, every comment kept.

    A spec that has faults of meaning is formatted too; one with a syntax error is left as
    it is. What would be written is read again first, and must say the same.
    """
    # What is made lives as long as the process: see compile_file.
    gc.disable()
    try:
        format_files(files, dry=check or diff, diff=diff, check=check)
    finally:
        gc.enable()


def format_files(files: list[Path], *, dry: bool, diff: bool, check: bool) -> None:
    """Format one after the other; a faulty one does not keep the others from it.

    Raises:
        NegativeResult: ``check``, and a spec is not in canonical layout.
        typer.Exit: a spec could not be formatted, with the code of the gravest reason.
    """
    from ffebm_dsl.cli.main import report

    changed: list[Path] = []
    status = 0
    for path in files:
        try:
            if _format(path, dry=dry, diff=diff):
                changed.append(path)
        except FfebmError as error:
            status = max(status, report(error))
    if status:
        raise typer.Exit(status)
    if check and changed:
        names = ", ".join(map(str, changed))
        raise NegativeResult(f"not in canonical layout: {names}", help="run `ffebm fmt` on it")


def _format(path: Path, *, dry: bool, diff: bool) -> bool:
    """Format one spec, and say whether its text changes."""
    from ffebm_dsl.syntax import format_source

    source = read_spec(path)
    text = format_source(source)
    changed = text != source.text
    if diff and changed:
        emit_text(_difference(source.name, source.text, text))
    if not dry and (changed or path == STREAM):
        write_text(path, text)
        if path != STREAM:
            say(f"formatted {path}")
    return changed


def _difference(name: str, before: str, after: str) -> str:
    rows = unified_diff(_lines(before), _lines(after), name, f"{name} (formatted)")
    return "".join(row if row.endswith("\n") else f"{row}{_NO_NEWLINE}" for row in rows)


_NO_NEWLINE = "\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    """Lines with their ends; only a newline ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
