"""Commands that rewrite specs: in place, or to be checked or looked at first."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from ffebm_dsl.cli.completion import spec_files
from ffebm_dsl.cli.console import emit_text, say
from ffebm_dsl.cli.files import STREAM, read_spec, write_text
from ffebm_dsl.language.diagnostics import (
    FfebmError,
    InputError,
    NegativeResult,
    SourceFile,
    form_of,
)

FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        autocompletion=spec_files,
        help="Specs; - reads standard input and writes standard output.",
    ),
]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit 1 if a spec would change.")
]
DiffOption = Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")]


class Rewriting(NamedTuple):
    """A command that rewrites texts. Messages call a rewritten spec ``done``, and those that
    ``--check`` finds ``unlike``. ``removes_mark``: a byte-order mark alone is a change."""

    rewrite: Callable[[SourceFile], str]
    done: str
    unlike: str
    command: str
    removes_mark: bool = False


def rewrite_files(files: Sequence[Path], rewriting: Rewriting, *, check: bool, diff: bool) -> None:
    """Rewrite one after the other; a faulty one does not stop the others.

    Raises:
        NegativeResult: ``check``, and a spec would change.
        typer.Exit: a spec could not be rewritten, with the highest exit code.
    """
    from ffebm_dsl.cli.main import report

    changed: list[Path] = []
    status = 0
    # What is made lives as long as the process: see compile_file.
    gc.disable()
    for path in files:
        try:
            if _rewrite(path, rewriting, dry=check or diff, diff=diff):
                changed.append(path)
        except FfebmError as error:
            status = max(status, report(error))
    gc.enable()
    if status:
        raise typer.Exit(status)
    if check and changed:
        names = ", ".join(map(str, changed))
        help = f"run `ffebm {rewriting.command}` on it"
        raise NegativeResult(f"{rewriting.unlike}: {names}", help=help)


def _rewrite(path: Path, rewriting: Rewriting, *, dry: bool, diff: bool) -> bool:
    """Rewrite one spec, and say whether its text changes."""
    form = form_of(path) or "ffe"
    if form != "ffe":
        raise InputError(
            f"{path}: `ffebm {rewriting.command}` takes .ffe text, not {form.upper()}",
            help=f"`ffebm convert {path} {path.with_suffix('.ffe')}` writes it as text",
        )
    source = read_spec(path)
    text, before = rewriting.rewrite(source), source.text
    if rewriting.removes_mark and path != STREAM:
        before = path.read_bytes().decode()  # with the mark
    changed = text != before
    if diff and changed:
        emit_text(_difference(source.name, before, text, rewriting.done))
    if not dry and (changed or path == STREAM):
        write_text(path, text)
        if path != STREAM:
            say(f"{rewriting.done} {path}")
    return changed


def _difference(name: str, before: str, after: str, done: str) -> str:
    rows = unified_diff(_lines(before), _lines(after), name, f"{name} ({done})")
    return "".join(row if row.endswith("\n") else f"{row}{_NO_NEWLINE}" for row in rows)


_NO_NEWLINE = "\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    """Lines with their ends; only a newline ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
