"""``ffebm explain``: what a diagnostic code means, with an example and its remedy."""

from __future__ import annotations

from typing import Annotated

import typer

from ffebm_dsl.cli.console import emit
from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.diagnostics.codes import CODES
from ffebm_dsl.language.diagnostics.nearest import did_you_mean
from ffebm_dsl.language.diagnostics.pages import page


def explain(
    code: Annotated[
        str, typer.Argument(metavar="[CODE]", help="Such as FFE2003; without it, all are listed.")
    ] = "",
) -> None:
    """Explain a diagnostic code: what it means and how to mend it."""
    if not code:
        emit("\n".join(f"{known}  {title}" for known, title in CODES.items()))
        return
    known = code.strip().upper()
    if known not in CODES:
        raise InputError(
            f"no diagnostic has the code {code}",
            help=did_you_mean(known, CODES) or "`ffebm explain` lists all codes",
        )
    emit(page(known).rstrip())
