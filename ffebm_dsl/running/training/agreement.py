"""Whether what is given on resume is what the run was made with, and what differs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from ffebm_dsl.language.diagnostics import InputError, SourceFile

SHOWN_LINES = 20


@dataclass
class Agreement:
    """Compares a run with what is to go on with it.

    The first difference is refused, unless they are ``allowed``: then they are all
    gathered in ``differences``, to be told and recorded.
    """

    allowed: bool = False
    differences: list[str] = field(default_factory=list)

    def text(self, kept: SourceFile, other: SourceFile) -> None:
        """Compare the run's spec with another.

        Raises:
            InputError: they differ; the message holds the first lines of the difference.
        """
        if kept.text != other.text:
            lines = _difference(kept.text, other)
            shown, more = lines[:SHOWN_LINES], len(lines) - SHOWN_LINES
            if more > 0 and not self.allowed:
                lines = [*shown, f"... and {more} lines more"]
            heading = f"{other.name} is not the spec that the run was made with:"
            self._differ("\n".join([heading, *lines]))

    def values(self, name: str, kept: object, given: object) -> None:
        """Compare a value, or a table of values, with the run's.

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
        self._differ(f"the run was made with other {name}: {'; '.join(changes)}")

    def _differ(self, message: str) -> None:
        if not self.allowed:
            raise InputError(
                message,
                help="resume without changing it, start a new run, or give --allow-inexact: "
                "the run then goes on, and its record says what was changed",
            )
        self.differences.append(message)


def _difference(before: str, other: SourceFile) -> list[str]:
    """A unified difference without context; of texts that differ, it is never empty."""
    old, new = before.splitlines(keepends=True), other.text.splitlines(keepends=True)
    lines = difflib.unified_diff(old, new, "the run's spec", other.name, n=0)
    return [line.rstrip("\n") for line in lines]


def _shown(values: Mapping[str, object], key: str) -> object:
    return values.get(key, "not set")
