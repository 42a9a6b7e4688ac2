"""``ffebm fmt``: specs in canonical layout."""

from __future__ import annotations

from ffebm_dsl.cli.rewriting import CheckOption, DiffOption, FilesArgument, Rewriting, rewrite_files


def fmt(files: FilesArgument, check: CheckOption = False, diff: DiffOption = False) -> None:
    """Format specs in place; comments are kept.

    All specs get the same layout. Specs with errors of meaning are formatted too; those with
    syntax errors are left unchanged. The result is parsed and compared with the original before
    it is written.
    """
    from ffebm_dsl.language.syntax import format_source

    canonical = Rewriting(format_source, "formatted", "not in canonical layout", "fmt", True)
    rewrite_files(files, canonical, check=check, diff=diff)
