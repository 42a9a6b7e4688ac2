"""A checksum over a file that is stored in the file itself.

HDF5 has checksums for arrays of numbers, but not for text. The seal is a dataset of fixed-length
text: a mark, then the SHA-256 of the whole file with zeros in place of its 64 digits. The mark is
searched for in the bytes, so that damage is detected before HDF5 opens the file.
"""

from __future__ import annotations

import hashlib
import re

NAME = "/file_sha256"
MARK = b"ffebm sha256 "
EMPTY = b"0" * 64
TEXT = MARK + EMPTY

_SEAL = re.compile(re.escape(MARK) + rb"([0-9a-f]{64})")


def sealed(content: bytes) -> bytes:
    """``content``, which contains ``TEXT`` once, with the digits filled in."""
    if content.count(TEXT) != 1:
        raise ValueError("there must be one place for the seal")
    place = content.index(TEXT) + len(MARK)
    digits = hashlib.sha256(content).hexdigest().encode()
    return content[:place] + digits + content[place + len(digits) :]


def fits(content: bytes) -> bool:
    """Whether the content of a file has a seal and agrees with it."""
    found = _SEAL.search(content)
    if found is None:
        return False
    start, end = found.span(1)
    total = hashlib.sha256(content[:start])
    total.update(EMPTY)
    total.update(memoryview(content)[end:])
    return total.hexdigest().encode() == found[1]
