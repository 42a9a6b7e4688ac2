"""Whether what is given on resume is what the run was made with, and what differs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from ffebm_dsl.diagnostics import InputError, SourceFile

SHOWN_LINES = 20


def require_same_text(kept: SourceFile, other: SourceFile) -> None:
    """Refuse a spec that differs from the run's.

    Raises:
        InputError: they differ; the message holds the first lines of the difference.
    """
    if kept.text == other.text:
        return
    before, after = kept.text.splitlines(), other.text.splitlines()
    difference = list(
        difflib.unified_diff(before, after, "the run's spec", other.name, lineterm="", n=0)
    )
    shown = "\n".join(difference[:SHOWN_LINES])
    more = len(difference) - SHOWN_LINES
    raise InputError(
        f"{other.name} is not the spec that the run was made with:\n{shown}"
        + (f"\n... and {more} lines more" if more > 0 else ""),
        help="resume with the run's own spec, or start a new run",
    )


def require_agreement(name: str, kept: object, given: object) -> None:
    """Refuse a value that differs from the run's.

    Raises:
        InputError: they differ; the message names every entry that does.
    """
    if kept == given:
        return
    if isinstance(kept, Mapping) and isinstance(given, Mapping):
        keys = [key for key in {**kept, **given} if kept.get(key) != given.get(key)]
        changes = [f"{key} was {_shown(kept, key)}, is {_shown(given, key)}" for key in keys]
    else:
        changes = [f"was {kept}, is {given}"]
    raise InputError(
        f"the run was made with other {name}: {'; '.join(changes)}",
        help="resume without changing it, or start a new run",
    )


def _shown(values: Mapping[str, object], key: str) -> object:
    return values.get(key, "not set")
