"""Reads the data set that a spec names."""

from __future__ import annotations

from pathlib import Path

from ffebm_dsl.language.registry import DATA, Arguments
from ffebm_dsl.language.registry.data_files import DataFiles
from ffebm_dsl.running.datasets.raw import Raw


def read_data(name: str, arguments: Arguments, data_dir: Path | None) -> Raw:
    """The data set ``name`` with the arguments that the spec gives it.

    Raises:
        InputError: missing or damaged files; the message says which, where and what to do.
    """
    raw: Raw = DATA[name].read(arguments, data_dir, DATA[name].files)
    return raw


def read_files(known: DataFiles, arguments: Arguments, data_dir: Path | None) -> Raw:
    """The same, from ``known`` files."""
    raw: Raw = DATA[known.name].read(arguments, data_dir, known)
    return raw
