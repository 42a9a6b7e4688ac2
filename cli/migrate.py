"""``ffebm migrate``: specs in the present version of the language."""

from __future__ import annotations

from ffebm_dsl.cli.rewriting import CheckOption, DiffOption, FilesArgument, Rewriting, rewrite_files


def migrate(files: FilesArgument, check: CheckOption = False, diff: DiffOption = False) -> None:
    """Update specs to the current version of the language, in place.

    Layout and comments are kept.
    """
    from ffebm_dsl.language.migrations import migrate as to_present

    present = Rewriting(to_present, "migrated", "not in the present version", "migrate")
    rewrite_files(files, present, check=check, diff=diff)
