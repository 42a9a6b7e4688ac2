"""Restoration of the tables of constructs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ffebm_dsl.language.registry import TABLES


@contextmanager
def restored_tables() -> Iterator[None]:
    """What is registered, or entered for a spec that names a package, is gone afterwards."""
    before = [(table, dict(table._entries), dict(table._read)) for table in TABLES.values()]
    try:
        yield
    finally:
        for table, entries, read in before:
            table._entries.clear()
            table._entries.update(entries)
            table._read.clear()
            table._read.update(read)
