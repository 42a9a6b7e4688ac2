"""``ffebm fmt``: specs in canonical layout."""

from __future__ import annotations

from ffebm_dsl.cli.rewriting import (
    CheckOption,
    DiffOption,
    FilesArgument,
    Rewriting,
    rewrite_files,
)


def fmt(files: FilesArgument, check: CheckOption = False, diff: DiffOption = False) -> None:
    """Format specs in place: one layout for all, every comment kept.

    A spec that has faults of meaning is formatted too; one with a syntax error is left as
    it is. What would be written is read again first, and must say the same.
    """
    from ffebm_dsl.language.syntax import format_source

    canonical = Rewriting(format_source, "formatted", "not in canonical layout", "fmt")
    rewrite_files(files, canonical, check=check, diff=diff)
