"""``ffebm convert``: specs from text to YAML or JSON, and back."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ffebm_dsl.cli.completion import spec_files
from ffebm_dsl.cli.files import STREAM, require_form, write_text
from ffebm_dsl.cli.spec import SetOption, load_spec
from ffebm_dsl.language.diagnostics import InputError, form_of

if TYPE_CHECKING:
    from ffebm_dsl.language.ir.model import SpecIR


class Written(StrEnum):
    """A form in which a spec can be written."""

    FFE = "ffe"
    YAML = "yaml"
    JSON = "json"


def convert(
    spec: Annotated[
        Path,
        typer.Argument(
            autocompletion=spec_files, help="A spec as text, YAML or JSON; - for stdin."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Output file; - for stdout.")] = STREAM,
    to: Annotated[
        Written | None, typer.Option(help="Form of OUT. [default: by the ending of OUT]")
    ] = None,
    source_form: Annotated[
        Written | None,
        typer.Option("--from", help="Form of SPEC. [default: by its ending, or ffe]"),
    ] = None,
    settings: SetOption = None,
) -> None:
    """Convert a spec to text, YAML or JSON.

    The result describes the resolved network: params and templates are replaced by their values,
    and comments are lost.
    """
    wanted = to or _form_by_ending(out)
    require_form(out, wanted)
    if out.exists() and spec.exists() and out.samefile(spec):
        raise InputError(
            f"{out} is the spec itself, whose comments and params would be lost",
            help="give the output another name",
        )
    compiled = load_spec(spec, settings, allow_large=True, form=source_form)
    write_text(out, _written(compiled.spec, wanted))


def _form_by_ending(out: Path) -> Written:
    form = form_of(out)
    if form is None:
        raise InputError(
            "the form of the output is not given", help="add --to ffe, --to yaml or --to json"
        )
    return Written(form)


def _written(spec: SpecIR, form: Written) -> str:
    from ffebm_dsl.language.interchange.document import write_json, write_yaml
    from ffebm_dsl.language.interchange.load import to_plain, to_text

    if form is Written.FFE:
        return to_text(spec)
    return (write_yaml if form is Written.YAML else write_json)(to_plain(spec))
