"""From older versions of the language to the present one, text by text.

A migration, once released, is never changed and never deleted: a spec of any age can be
brought to the present. The policy is in ``docs/versions.md``.

To 1.0, the first version: all that a text may lack is the line that says so. To 1.1, which
only adds: all that changes is the number in the version line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import InputError, SourceFile, SpecError
from ffebm_dsl.language.syntax import code_tokens, lex, parse


def state_1_1(source: SourceFile) -> str:
    """The text with ``1.1`` as the number in its version line."""
    number = code_tokens(lex(source.text))[1]
    if number.type != "REAL":
        return source.text
    return f"{source.text[: number.span.start]}1.1{source.text[number.span.end :]}"


def state_version(source: SourceFile) -> str:
    """The text with ``ffe 1.0`` as its first line; one that states a version as it is."""
    if code_tokens(lex(source.text))[0].type == "_FFE":
        return source.text
    end = "\r\n" if "\r\n" in source.text else "\n"
    return f"ffe 1.0{end}{source.text}"


class Migration(NamedTuple):
    """The step to ``version`` from the version before it.

    ``rewrite`` gets a text of the version before and gives one of ``version`` that means
    the same, with the version line of ``version``; given a text of ``version``, it gives it
    back. It works on text, not on the AST: the present parser need not read an old text.
    """

    version: str
    summary: str
    rewrite: Callable[[SourceFile], str]


MIGRATIONS: tuple[Migration, ...] = (
    Migration("1.0", "the text states its version", state_version),
    Migration("1.1", "the version line says 1.1", state_1_1),
)
"""In order; the last one leads to the present version (checked by a test)."""


def version_of(source: SourceFile) -> str:
    """The version that a text states, ``""`` for none."""
    first, *rest = code_tokens(lex(source.text))
    stated = first.type == "_FFE" and rest[0].type in ("INT", "REAL")
    return rest[0].text if stated else ""


def migrate(source: SourceFile, migrations: Sequence[Migration] = MIGRATIONS) -> str:
    """The text of ``source`` in the last version of ``migrations``.

    Layout and comments stay, but for what a migration has to change.

    Raises:
        InputError: the text states a version that no migration leads to.
        SpecError: the result has a syntax error, as the text had; at its place in the text where
            the present parser reads that too.
    """
    versions = [migration.version for migration in migrations]
    stated = version_of(source)
    if stated and stated not in versions:
        raise InputError(
            f"{source.name} is written in version {stated} of the language, which is unknown here",
            help=f"known: {', '.join(versions)}; a newer ffebm may read it",
        )
    text = source.text
    for migration in migrations[versions.index(stated) + 1 if stated else 0 :]:
        text = migration.rewrite(SourceFile(source.name, text))
    try:
        parse(SourceFile(source.name, text))
    except SpecError:
        parse(source)
        raise
    return text
