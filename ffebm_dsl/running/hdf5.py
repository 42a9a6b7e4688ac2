"""HDF5 files: validation of plain data, and reading of arrays from files of unknown origin.

A malformed file can crash or hang the HDF5 library. A file that was not written by this program is
therefore opened by a child process with resource limits, which returns arrays of numbers. ``python
-m ffebm_dsl.running.hdf5 NAME... -- OPTIONAL...`` runs this child: it reads the file from standard
input, and writes a line of JSON and then the arrays in NumPy's format to standard output.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, BinaryIO

import h5py
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

import ffebm_dsl
from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.diagnostics.brief import brief_list

FILTERS = frozenset({h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32})

MAX_RATIO = 1000
"""Maximum ratio of declared to stored bytes; deflate cannot reach 1,033."""

FREE_BYTES = 1 << 24
"""Bytes that may be declared without being stored: empty columns have chunks too."""

MEMORY_BYTES = 2 << 30
"""Address space of the child in addition to its largest array."""

SECONDS, BYTES_PER_SECOND = 10, 20_000_000
"""The child's CPU time: a constant, and more in proportion to the declared size."""

FAULTS = (
    *(OSError, RuntimeError, KeyError, ValueError, TypeError),
    *(MemoryError, AttributeError, OverflowError, UnicodeDecodeError),
)
"""Exceptions that h5py raises for a damaged file."""

PLAIN = (
    "write it with h5py as an array of numbers in the file itself: no links, no external storage"
)
REPACK = "store it with compression='gzip' in h5py, or repack the file: h5repack -f GZIP=4 OLD NEW"


class Refused(Exception):
    """The file contains something unsupported; ``help`` is the remedy."""

    def __init__(self, message: str, help: str = PLAIN) -> None:
        super().__init__(message)
        self.help = help


def own_member(group: h5py.Group, name: str) -> Any:
    """The member ``name`` of a group, or None if there is none.

    Raises:
        Refused: it is a link to another place.
        one of FAULTS: the file is damaged.
    """
    link = group.get(name, getlink=True)
    if link is not None and not isinstance(link, h5py.HardLink):
        raise Refused(f"{group.name.rstrip('/')}/{name} is a link to another place")
    return None if link is None else group[name]


def plain_dataset(group: h5py.Group, name: str, place: str) -> h5py.Dataset | None:
    """The dataset ``name`` of a group, or None if there is none; its values are not read.

    ``place`` is its name in messages.

    Raises:
        Refused: it is not an array of numbers or texts stored in the file itself, declares far
            more than is stored, or uses a filter other than deflate, shuffle and fletcher32.
        one of FAULTS: the file is damaged.
    """
    dataset = own_member(group, name)
    if dataset is not None:
        _check(place, dataset)
    return dataset


def _check(name: str, dataset: Any) -> None:
    if not isinstance(dataset, h5py.Dataset):
        raise Refused(f"{name} is not a dataset")
    if dataset.is_virtual or dataset.external:
        raise Refused(f"{name} takes its values from another file")
    if dataset.shape is None:
        raise Refused(f"{name} is empty")
    dtype = dataset.dtype
    is_text = h5py.check_string_dtype(dtype) is not None
    if not is_text and (dtype.kind not in "iufb" or dtype.itemsize > 8 or dtype.shape):
        raise Refused(f"{name} has type {dtype}")
    plist = dataset.id.get_create_plist()
    for number in range(plist.get_nfilters()):
        code, _, _, title = plist.get_filter(number)
        if code not in FILTERS:
            called = title.decode("ascii", "replace") or f"filter {code}"
            raise Refused(f"{name} is packed with {called}, which is not read", REPACK)
    stored = dataset.id.get_storage_size()
    declared = math.prod(dataset.shape) * dtype.itemsize
    if declared > FREE_BYTES and declared > MAX_RATIO * stored:
        raise Refused(f"{name} declares {declared} bytes and stores {stored}")


def read_foreign(
    path: Path, names: Sequence[str], optional: Sequence[str] = ()
) -> Mapping[str, NDArray[Any]]:
    """Read the arrays of numbers ``names`` of an HDF5 file, in a child process.

    Those of ``optional`` are read too, unless the file has none of them.

    Raises:
        InputError: the file is unreadable or damaged, a name is missing, or a dataset is not a
            plain array of numbers that fits into the memory of this machine.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    with file, _child(file, [*names, "--", *optional]) as child:
        assert child.stdout is not None
        try:
            arrays = _answer(child.stdout, path)
            if child.stdout.read(1) or child.wait():
                raise EOFError
        except (EOFError, *FAULTS) as error:
            child.kill()
            raise InputError(
                f"{path} cannot be read as HDF5: {_end(child)}",
                help="fetch it again if it came from elsewhere",
            ) from error
        except BaseException:
            child.kill()
            raise
    return arrays


def _child(file: BinaryIO, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    # The child must find this package wherever the parent found it.
    places = [str(Path(ffebm_dsl.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "ffebm_dsl.running.hdf5", *arguments],
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(place for place in places if place),
            "HDF5_PLUGIN_PRELOAD": "::",  # no code from plugins
            "OPENBLAS_NUM_THREADS": "1",  # more threads would take up address space
        },
        # Ctrl-C goes to the parent only, which then ends the child.
        start_new_session=True,
    )


def _answer(out: IO[bytes], path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a child's answer, which is validated: the child may have been compromised.

    Raises:
        EOFError or one of FAULTS: the answer is incomplete or invalid.
        InputError: the child reports a fault of the file.
    """
    heading = json.loads(out.readline(1 << 20))
    if "fault" in heading:
        raise InputError(f"{path}: {heading['fault']}", help=str(heading["help"]))
    arrays = {}
    for name in heading["names"]:
        # Only `read` is passed on: NumPy treats an object with a descriptor as a seekable file.
        array = npy.read_array(SimpleNamespace(read=out.read), allow_pickle=False)
        if array.dtype.kind not in "iufb":
            raise TypeError
        arrays[str(name)] = array
    return arrays


def _end(child: subprocess.Popen[bytes]) -> str:
    """Describe how a child ended that did not complete its answer."""
    status = -child.wait()
    if status == signal.SIGXCPU:
        return "reading it takes too long"
    if status > 0 and status != signal.SIGKILL:
        return f"its reader was ended by {signal.Signals(status).name}"
    return "an array in it is damaged"


def main(arguments: Sequence[str], content: BinaryIO, out: BinaryIO) -> int:
    """Write the requested arrays of the file to ``out``; return 0 if the answer is complete."""
    divide = arguments.index("--")
    names, optional = arguments[:divide], arguments[divide + 1 :]
    _limit(MEMORY_BYTES, SECONDS)
    fault, help = "", PLAIN
    try:
        file = h5py.File(content, "r")
        names = [*names, *(optional if {*optional} & {*file} else ())]
        datasets = {name: _numbers(file, name, names) for name in names}
        sizes = [dataset.nbytes for dataset in datasets.values()]
        most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if sum(sizes) > most:
            raise Refused(f"declares {sum(sizes)} bytes; at most {most} are read")
    except Refused as error:
        fault, help = str(error), error.help
    except FAULTS as error:
        fault = f"cannot be read as HDF5: {error}"
    if fault:
        out.write(json.dumps({"fault": fault, "help": help}).encode() + b"\n")
        return 0
    _limit(MEMORY_BYTES + max(sizes), SECONDS + sum(sizes) // BYTES_PER_SECOND)
    out.write(json.dumps({"names": [*datasets]}).encode() + b"\n")
    try:
        for dataset in datasets.values():
            npy.write_array(out, np.ascontiguousarray(dataset[()]), allow_pickle=False)
    except FAULTS:
        return 1  # A message would be read as numbers.
    return 0


def _numbers(file: h5py.File, name: str, names: Sequence[str]) -> h5py.Dataset:
    dataset = plain_dataset(file, name, name)
    if dataset is None:
        raise Refused(
            f"has no array `{name}`; it has: {brief_list(sorted(file))}",
            f"it must have {', '.join(names)}",
        )
    if dataset.dtype.kind not in "iuf" or not dataset.shape:
        raise Refused(
            f"{name} has shape {list(dataset.shape)} and type {dataset.dtype}",
            "give an array of numbers with one row per sample",
        )
    return dataset


def _limit(memory: int, seconds: int) -> None:
    """Limit the resources of this process; it writes no file and no core dump."""
    import resource

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
    sys.exit(main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer))
