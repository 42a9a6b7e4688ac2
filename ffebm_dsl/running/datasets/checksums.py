"""Checksums of files, and the list of checksums that fetching writes beside unpacked files."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.datasets.raw import damaged
from ffebm_dsl.running.storage import publish, read_bounded

SUMS = "SHA256SUMS"
"""The format of sha256sum, which can verify it too."""

SUMS_BYTES = 1 << 20

_LINE = re.compile(r"([0-9a-f]{64})  ([^/\n]+)")


def digest(path: Path, algorithm: str = "sha256", *, unpacked: bool = False) -> str:
    """Checksum of a file in hexadecimal, or of the unpacked content of a ``.gz`` file.

    Raises:
        InputError: unreadable, or not a gzip file.
    """
    try:
        with gzip.open(path) if unpacked else path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(f"{path} cannot be read: {error}") from error


def write_sums(folder: Path, sums: Mapping[str, str]) -> None:
    """Add to the list of a folder: SHA-256 by file name."""
    both = {**read_sums(folder), **sums}
    lines = "".join(f"{sha}  {name}\n" for name, sha in sorted(both.items()))
    publish(folder / SUMS, lines.encode())


def read_sums(folder: Path) -> dict[str, str]:
    """The list of a folder; empty if there is none.

    Raises:
        InputError: the file is not such a list.
    """
    path = folder / SUMS
    if not path.is_file():
        return {}
    lines = read_bounded(path.resolve(), SUMS_BYTES).decode("utf-8", "replace").splitlines()
    sums = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise InputError(
                f"{path}, line {number}: not a SHA-256 and a name",
                help="remove the file, or write it anew with sha256sum",
            )
        sums[match[2]] = match[1]
    return sums
