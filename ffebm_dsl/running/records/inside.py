"""The process that opens an HDF5 file for another one.

Run as ``python -m ffebm_dsl.running.records.inside``.

It is started by ``foreign``, reads its request from standard input and the file from a
descriptor that it inherits, and gives itself limits first. Its answer, on standard output,
is a line of JSON, then the bytes of every array of numbers in the order of that line.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import h5py

from ffebm_dsl.running.records import guard, seal

MEMORY_BYTES = 2 << 30
"""Address space beyond the largest array."""

SECONDS, BYTES_PER_SECOND = 10, 20_000_000
"""Time of the processor: so much, and more by what the arrays declare."""

FAULTS = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    MemoryError,
    AttributeError,
    OverflowError,
)
"""What h5py raises for a damaged file, whichever call meets the damage."""

Expect = Callable[[list[guard.Found]], None]


def look(
    request: Mapping[str, Any], expect: Expect | None = None
) -> tuple[h5py.File, list[guard.Found], bytes]:
    """The file, the datasets of a request, and the heading of the answer.

    The caller closes the file. ``expect`` hears of the datasets before they are read.

    Raises:
        guard.Refused: the file holds what is not taken, or does not fit its seal.
        one of FAULTS: the file is damaged.
    """
    descriptor = request["descriptor"]
    sealed = seal.fits(descriptor) if request["seal"] else None
    if sealed is False:
        raise guard.Refused("the file does not fit its checksum")
    # By its descriptor: whatever its path leads to by now.
    file = h5py.File(f"/dev/fd/{descriptor}", "r")
    try:
        return file, *_look(file, request, sealed, expect)
    except BaseException:
        file.close()
        raise


def _look(
    file: h5py.File, request: Mapping[str, Any], sealed: bool | None, expect: Expect | None
) -> tuple[list[guard.Found], bytes]:
    found = guard.find(file, request["datasets"], request["most"])
    if expect is not None:
        expect(found)
    heading = {
        "attributes": {
            node: guard.attributes(file, node, names)
            for node, names in request["attributes"].items()
        },
        "names": sorted(file),
        "datasets": [_described(entry) for entry in found],
        "sealed": sealed,
    }
    return found, json.dumps(heading).encode() + b"\n"


def send(found: list[guard.Found], out: BinaryIO) -> None:
    """Write the arrays of numbers, in order.

    Raises:
        one of FAULTS: the file is damaged; a part may have been written.
    """
    for entry in found:
        if not entry.is_text:
            for block in guard.blocks(entry):
                out.write(block.tobytes())


def _described(entry: guard.Found) -> dict[str, Any]:
    described: dict[str, Any] = {"name": entry.name, "shape": list(entry.dataset.shape)}
    if entry.is_text:
        return described | {"texts": guard.texts(entry).ravel().tolist()}
    return described | {"dtype": entry.dataset.dtype.str}


def main(request: Mapping[str, Any], out: BinaryIO) -> int:
    """Answer one request within limits; 0 if the answer is complete."""
    _limit(MEMORY_BYTES, SECONDS)
    try:
        _, found, heading = look(request, _allow)
    except (guard.Refused, *FAULTS) as error:
        kind = "refused" if isinstance(error, guard.Refused) else "damaged"
        out.write(json.dumps({kind: str(error)}).encode() + b"\n")
        return 0
    out.write(heading)
    try:
        send(found, out)
    except FAULTS:
        return 1  # No word of it: it would be taken for numbers.
    return 0


def _allow(found: list[guard.Found]) -> None:
    """Widen the limits by what the arrays need."""
    sizes = [entry.nbytes for entry in found]
    _limit(MEMORY_BYTES + max(sizes, default=0), SECONDS + sum(sizes) // BYTES_PER_SECOND)


def _limit(memory: int, seconds: int) -> None:
    """Bound what this process may use; it writes no file and leaves no core."""
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        within = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (within, hard))


if __name__ == "__main__":
    sys.exit(main(json.load(sys.stdin), sys.stdout.buffer))
