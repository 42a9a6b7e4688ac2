"""``ffebm explain``: what a diagnostic code or the name of a construct means."""

from __future__ import annotations

from typing import Annotated

import typer

from ffebm_dsl.cli.completion import subjects
from ffebm_dsl.cli.console import emit
from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.diagnostics.diagnostic import CODES
from ffebm_dsl.language.diagnostics.fix import did_you_mean
from ffebm_dsl.language.registry import TABLES, Construct, Table
from ffebm_dsl.language.registry.card import card
from ffebm_dsl.language.registry.packages import PackageError, load, offers
from ffebm_dsl.language.registry.tables import normalised


def explain(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="[CODE|NAME]",
            autocompletion=subjects,
            help="For example FFE2003, conv2d or ep. Without it, all codes are listed.",
        ),
    ] = "",
) -> None:
    """Explain a diagnostic code or a construct."""
    if not subject:
        emit("\n".join(f"{known}  {title}" for known, title in CODES.items()))
        return
    name, code = subject.strip(), subject.strip().upper()
    if code in CODES:
        emit(CODES.page(code).rstrip())
        return
    tables = [table for table in TABLES.values() if name in table] or _in_packages(name)
    if not tables:
        names = (known for table in TABLES.values() for known in table)
        close = did_you_mean(code, CODES) or did_you_mean(name, [*dict.fromkeys(names)])
        raise InputError(
            f"no diagnostic has the code {subject}, and no construct the name",
            help=close or "`ffebm explain` lists all codes; docs/language.md has all constructs",
        )
    emit("\n\n\n".join(card(table[name], table) for table in tables))
    for table in tables:
        for package in offers(table.name, name):
            if normalised(package.name) != table.owner(name):
                emit(f"\nThe package {package.name} brings another {table.noun} `{name}`.")


def _in_packages(name: str) -> list[Table[Construct]]:
    """The tables that an installed package brings the construct for, once it is loaded."""
    found = []
    for table in TABLES.values():
        for package in offers(table.name, name)[:1]:
            try:
                load(package)
            except PackageError as error:
                raise InputError(error.message, help=error.help) from None
            found.append(table)
    return found
