"""A checksum over a file that stands in the file itself.

HDF5 gives checksums to arrays of numbers, and to text none. The seal is a dataset of 64
characters: the SHA-256 of the whole file with zeros in the place of these characters. So a
record can be verified wherever it was copied to, and is still a plain HDF5 file.
"""

from __future__ import annotations

import hashlib
import os

NAME = "/file_sha256"
EMPTY = b"\0" * 64
BLOCK_BYTES = 1 << 20


def sealed(content: bytes, offset: int) -> bytes:
    """``content`` with its seal put in at ``offset``, where zeros are."""
    end = offset + len(EMPTY)
    if content[offset:end] != EMPTY:
        raise ValueError(f"no room for a seal at {offset}")
    return content[:offset] + hashlib.sha256(content).hexdigest().encode() + content[end:]


def measured(descriptor: int, offset: int) -> str:
    """The seal that an open file should have at ``offset``."""
    total = hashlib.sha256()
    place = 0
    while block := bytearray(os.pread(descriptor, BLOCK_BYTES, place)):
        first, end = (min(max(at - place, 0), len(block)) for at in (offset, offset + len(EMPTY)))
        block[first:end] = bytes(end - first)
        total.update(block)
        place += len(block)
    return total.hexdigest()
