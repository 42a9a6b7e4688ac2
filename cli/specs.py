"""``ffebm specs``: the specs that come with ffebm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ffebm_dsl.cli.commands import new_app
from ffebm_dsl.cli.completion import bundled_specs
from ffebm_dsl.cli.console import emit, emit_text, say
from ffebm_dsl.cli.files import require_form, write_text
from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.diagnostics.fix import did_you_mean

app = new_app(invoke_without_command=True)

NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        autocompletion=bundled_specs,
        help="A name that `ffebm specs list` shows.",
    ),
]


def bundled() -> dict[str, str]:
    """The texts of the specs that are installed, by name: ``small/digits``."""
    from importlib.resources import as_file, files

    with as_file(files("ffebm_dsl.specs")) as folder:
        return {
            path.relative_to(folder).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(folder.rglob("*.ffe"))
        }


def _text(name: str) -> tuple[str, str]:
    """Full name and text of a spec; the folder and ``.ffe`` may be left out of its name.

    Raises InputError where there is none, or more than one.
    """
    specs = bundled()
    wanted = name.removesuffix(".ffe")
    found = [full for full in specs if wanted in (full, full.rpartition("/")[2])]
    if len(found) == 1:
        return found[0], specs[found[0]]
    if found:
        raise InputError(f"`{name}` is the name of {len(found)} specs", help=", ".join(found))
    short = {full.rpartition("/")[2]: full for full in specs}
    help = did_you_mean(wanted, [*specs, *short]) or "`ffebm specs list` shows them all"
    raise InputError(f"no spec is called `{name}`", help=help)


@app.callback()
def root(context: typer.Context) -> None:
    """List, show and copy the specs that come with ffebm.

    Without a command, they are listed.
    """
    if context.invoked_subcommand is None:
        list_specs()


@app.command("list")
def list_specs() -> None:
    """List the specs by name, each with what it is."""
    from ffebm_dsl.language.syntax import parse

    specs = bundled()
    width = max(map(len, specs))
    for name, text in specs.items():
        heading = parse(SourceFile(name, text)).doc.partition("\n\n")[0]
        sentence = " ".join(heading.split()).partition(". ")[0].removesuffix(".")
        emit(f"{name:{width}}  {sentence}".rstrip())


@app.command()
def show(name: NameArgument) -> None:
    """Print the text of a spec."""
    emit_text(_text(name)[1])


@app.command()
def copy(
    name: NameArgument,
    out: Annotated[
        Path | None, typer.Argument(help="File or folder. [default: here, under its own name]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Copy a spec to a file of your own."""
    full, text = _text(name)
    target = out or Path()
    if target.is_dir():
        target /= f"{full.rpartition('/')[2]}.ffe"
    require_form(target, "ffe")
    write_new(target, text, force=force)


def write_new(path: Path, text: str, *, force: bool) -> None:
    """Write a file that must not be there yet, unless ``force``; say that it was written.

    Raises InputError where it is there.
    """
    if path.exists() and not force:
        raise InputError(f"{path} exists", help="give another name, or --force to overwrite it")
    write_text(path, text)
    say(f"wrote {path}")
