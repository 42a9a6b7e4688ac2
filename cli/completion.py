"""Shell completions of arguments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_PLAIN = re.compile(r"[\w./+,@-]+")
"""Paths that a shell takes as they are, without quotes."""


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in dict.fromkeys(words) if word.startswith(incomplete)]


def spec_files(incomplete: str) -> list[str]:
    """Specs in the folder that is being typed, and its folders, which may hold more.

    Nothing where there is no spec, or a name that needs quotes: the shell then completes
    files by itself.
    """
    if incomplete and not _PLAIN.fullmatch(incomplete):
        return []
    start, slash, _ = incomplete.rpartition("/")
    try:
        there = sorted(Path(start + slash or ".").iterdir())
    except OSError:
        return []
    specs = [path.name for path in there if path.suffix == ".ffe"]
    folders = [f"{path.name}/" for path in there if path.is_dir() and path.name[0] != "."]
    found = _beginning(incomplete, (f"{start}{slash}{name}" for name in (*specs, *folders)))
    helps = any(path.endswith(".ffe") for path in found) and all(map(_PLAIN.fullmatch, found))
    return found if helps else []


def bundled_specs(incomplete: str) -> list[str]:
    """Names of the specs that come with ffebm: ``small/digits``, or ``digits`` without a slash."""
    from ffebm_dsl.cli.specs import bundled

    names = list(bundled())
    return _beginning(incomplete, names) or _beginning(
        incomplete, (name.rpartition("/")[2] for name in names)
    )


def subjects(incomplete: str) -> list[str]:
    """Diagnostic codes and names of constructs."""
    from ffebm_dsl.language.diagnostics.diagnostic import CODES
    from ffebm_dsl.language.registry import TABLES

    names = sorted({name for table in TABLES.values() for name in table})
    return _beginning(incomplete, [*CODES, *names])


def data_sets(incomplete: str) -> list[str]:
    """Data sets that come as files."""
    from ffebm_dsl.running.datasets.places import CATALOGUE

    return _beginning(incomplete, CATALOGUE)
