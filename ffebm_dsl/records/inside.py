"""The process that opens an HDF5 file for another one: ``python -m ffebm_dsl.records.inside``.

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

from ffebm_dsl.records import guard, seal

MEMORY_BYTES = 2 << 30
"""Address space beyond the largest array."""

SECONDS, BYTES_PER_SECOND = 30, 20_000_000
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


def open_file(descriptor: int) -> h5py.File:
    """The file behind a descriptor, whatever its path leads to by now."""
    return h5py.File(f"/dev/fd/{descriptor}", "r")


def look(
    file: h5py.File, request: Mapping[str, Any], expect: Expect | None = None
) -> tuple[list[guard.Found], bytes]:
    """The datasets of a request and the heading of the answer; ``expect`` hears of them first.

    Raises:
        guard.Refused: the file holds what is not taken.
        one of FAULTS: the file is damaged.
    """
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
        "seal": _seal(found, request),
    }
    return found, json.dumps(heading).encode() + b"\n"


def _seal(found: list[guard.Found], request: Mapping[str, Any]) -> list[str]:
    """The seal of the file, and what it should be; empty where it has none."""
    for entry in found:
        offset = entry.dataset.id.get_offset()
        if entry.name == seal.NAME and entry.is_text and offset is not None:
            texts = guard.texts(entry).ravel().tolist()
            return ["".join(texts), seal.measured(request["descriptor"], offset)]
    return []


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
        found, heading = look(open_file(request["descriptor"]), request, _allow)
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
