"""The spec argument and the ``--set`` option that several commands share."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ffebm_dsl.cli.completion import spec_files
from ffebm_dsl.cli.console import say
from ffebm_dsl.cli.files import read_spec
from ffebm_dsl.language.diagnostics import InputError, pieces

if TYPE_CHECKING:
    from ffebm_dsl.language.ir import Compiled

SpecArgument = Annotated[
    Path,
    typer.Argument(
        autocompletion=spec_files,
        help="A spec: an .ffe file, or .yaml or .json as `ffebm convert` writes it.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a `param`, a key of `train`, or `relax`, `gradient` or `init` of the model or "
        "a block, such as width=64, optimizer.lr=1e-3 or b1.relax.free.sweeps=20. May be repeated.",
    ),
]


AllowLargeOption = Annotated[
    bool,
    typer.Option("--allow-large", help="Accept a network above the size limit (docs/errors.md)."),
]


def parse_settings(settings: Iterable[str] | None, option: str = "--set") -> dict[str, str]:
    """``["width=64"]`` as ``{"width": "64"}``; the values stay text for the compiler.

    ``option`` is what messages call the option that gave them.

    Raises:
        InputError: an entry without ``=``, without key or value, or a key given twice.
    """
    overrides: dict[str, str] = {}
    for setting in settings or ():
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not (key and equals and value):
            raise InputError(
                f"{option} {setting}: not of the form KEY=VALUE",
                help=f"for example {option} width=64",
            )
        if key in overrides:
            raise InputError(f"{option} gives `{key}` twice", help="keep one of them")
        overrides[key] = value
    return overrides


def compile_file(
    path: Path,
    settings: Iterable[str] | None = None,
    allow_large: bool = False,
    form: str | None = None,
) -> Compiled:
    """Read and compile the spec at ``path``.

    ``form`` is ffe, yaml or json; None: as the file's ending says, and ffe where it says
    nothing.

    Raises:
        InputError: the file cannot be read, or ``settings`` are malformed.
        SpecError: the spec, or a value set in it, is wrong.
    """
    overrides = parse_settings(settings)
    # The compiler and what it makes live as long as the process: to look for garbage among
    # them is a tenth of the time of a short command.
    gc.disable()
    try:
        from ffebm_dsl.language.interchange import compile_source
        from ffebm_dsl.language.ir import BUDGET

        budget = None if allow_large else BUDGET
        return compile_source(read_spec(path), overrides, budget, form)
    finally:
        gc.enable()


def load_spec(
    path: Path,
    settings: Iterable[str] | None = None,
    allow_large: bool = False,
    form: str | None = None,
) -> Compiled:
    """:func:`compile_file`, with the spec's warnings on stderr."""
    compiled = compile_file(path, settings, allow_large, form)
    for warning in compiled.warnings:
        say(*pieces(warning), "\n")
    return compiled
