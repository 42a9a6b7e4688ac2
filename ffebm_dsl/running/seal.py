"""A checksum over a file that is kept in the file itself.

HDF5 gives checksums to arrays of numbers, and to text none. The seal is a dataset of fixed
text: a mark, then the SHA-256 of the whole file with zeros in the place of its 64 digits.
The mark is found among the bytes, so a damaged file is known before HDF5 looks at it.
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
    """``content``, which holds ``TEXT`` once, with the digits put in."""
    if content.count(TEXT) != 1:
        raise ValueError("there must be one place for the seal")
    place = content.index(TEXT) + len(MARK)
    digits = hashlib.sha256(content).hexdigest().encode()
    return content[:place] + digits + content[place + len(digits) :]


def fits(content: bytes) -> bool:
    """Whether the bytes of a file have a seal, and are what it says."""
    found = _SEAL.search(content)
    if found is None:
        return False
    start, end = found.span(1)
    total = hashlib.sha256(content[:start])
    total.update(EMPTY)
    total.update(memoryview(content)[end:])
    return total.hexdigest().encode() == found[1]
