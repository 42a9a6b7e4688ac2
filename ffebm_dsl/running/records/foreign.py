"""HDF5 files that came from elsewhere, opened by a process that may die of them.

The HDF5 library can be made to crash or to hang by a file. So none is opened here: a child
with limits opens it, checks it, and hands over plain numbers and texts.
"""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

import ffebm_dsl
from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.records import guard, inside

Array = NDArray[Any]

MAX_HEADING_BYTES = 1 << 28

REPLACEMENTS = 5
"""Times that a file may be replaced while it is being read, before it is given up."""


@dataclass(frozen=True)
class Content:
    """What was taken from a file.

    Attributes:
        attributes: texts by the path of their group ("" is the root), then by name.
        names: what lies at the root of the file.
        arrays: by path, as in "/run/train/loss"; texts are Python strings in arrays of
            objects.
        sealed: whether the file has a seal, which then it fits.
    """

    attributes: Mapping[str, Mapping[str, str]]
    names: tuple[str, ...]
    arrays: Mapping[str, Array]
    sealed: bool


class UnfitFile(InputError):
    """A file of which nothing was taken. ``reason`` is the message without the file's name."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason


def load(
    path: Path,
    datasets: Sequence[str],
    attributes: Mapping[str, Sequence[str]] | None = None,
    *,
    seal: bool = False,
    trusted: bool = False,
) -> Content:
    """Those of the named datasets and attributes that the HDF5 file at ``path`` has.

    With ``seal``, a file that has a seal must fit it; that is looked at first.

    A ``trusted`` file, one that this program wrote and nobody else could change, is read
    by this process: that saves the start of another.

    Raises:
        UnfitFile: no regular file, no HDF5, damaged, or not plain data in the file itself:
            links, external storage, virtual datasets, other filters than deflate, shuffle
            and fletcher32, more than the memory of this machine. Or a seal that does not fit.
    """
    for _ in range(REPLACEMENTS):
        found, replaced = _load_once(path, datasets, attributes or {}, seal, trusted)
        if not (replaced and isinstance(found, UnfitFile)):
            break
    if isinstance(found, UnfitFile):
        raise found
    return found


def _load_once(
    path: Path,
    datasets: Sequence[str],
    attributes: Mapping[str, Sequence[str]],
    seal: bool,
    trusted: bool,
) -> tuple[Content | UnfitFile, bool]:
    """What came of one attempt, and whether another file stands at ``path`` by now.

    A training run replaces its record as it goes on, and HDF5 cannot open a file that has
    just lost its name.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise UnfitFile(path, f"cannot be read: {error.strerror}") from error
    try:
        opened = os.fstat(descriptor)
        if not stat.S_ISREG(opened.st_mode):
            raise UnfitFile(path, "is not a regular file")
        request = {
            "descriptor": descriptor,
            "datasets": list(datasets),
            "attributes": {node: list(names) for node, names in attributes.items()},
            "seal": seal,
            "most": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        }
        try:
            return (_read_here if trusted else _ask)(request, path), False
        except UnfitFile as error:
            return error, not _same_file(path, opened)
    finally:
        os.close(descriptor)


def _same_file(path: Path, opened: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), opened)
    except OSError:
        return False


def _read_here(request: Mapping[str, Any], path: Path) -> Content:
    content = io.BytesIO()
    try:
        file, found, heading = inside.look(request)
        with file:
            content.write(heading)
            inside.send(found, content)
    except guard.Refused as error:
        raise UnfitFile(path, str(error)) from error
    except inside.FAULTS as error:
        raise _damaged(path, str(error)) from error
    content.seek(0)
    return _understand(content, path)


def _ask(request: Mapping[str, Any], path: Path) -> Content:
    """Let a child open the file, and take what it hands over."""
    with _child(request["descriptor"]) as child:
        try:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(json.dumps(request).encode())
            child.stdin.close()
            content = _understand(child.stdout, path)
            if child.stdout.read(1) or child.wait():
                raise EOFError
        except (EOFError, BrokenPipeError) as error:
            raise _damaged(path, _end(child)) from error
        except BaseException:
            child.kill()
            raise
    return content


def _child(descriptor: int) -> subprocess.Popen[bytes]:
    # The child must find this package wherever the parent found it.
    places = [str(Path(ffebm_dsl.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "ffebm_dsl.running.records.inside"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(place for place in places if place),
            "HDF5_PLUGIN_PRELOAD": "::",  # no code from plugins
            "HDF5_USE_FILE_LOCKING": "FALSE",
            "OPENBLAS_NUM_THREADS": "1",  # more threads would take up address space
        },
        # Ctrl-C is for the one who waits for the child, not for the child.
        start_new_session=True,
    )


def _end(child: subprocess.Popen[bytes]) -> str:
    """How a child ended that did not finish its answer."""
    status = child.wait()
    if status >= 0:
        return "an array in it is damaged"
    if -status == signal.SIGXCPU:
        return "reading it takes too long"
    return f"its reader was ended by {signal.Signals(-status).name}"


def _damaged(path: Path, reason: str) -> UnfitFile:
    return UnfitFile(path, f"cannot be read as HDF5: {reason}")


def _understand(answer: IO[bytes], path: Path) -> Content:
    """The content of an answer. What it says is checked: who gave it may have been misled.

    Raises:
        EOFError: it ends early.
        UnfitFile: it says what is wrong with the file.
    """
    heading = answer.readline(MAX_HEADING_BYTES)
    if not heading.endswith(b"\n"):
        raise EOFError
    values = json.loads(heading)
    if "refused" in values:
        raise UnfitFile(path, str(values["refused"]))
    if "damaged" in values:
        raise _damaged(path, str(values["damaged"]))
    arrays = {}
    for entry in values["datasets"]:
        shape = tuple(int(side) for side in entry["shape"])
        if "texts" in entry:
            arrays[str(entry["name"])] = _texts(entry["texts"], shape)
        else:
            arrays[str(entry["name"])] = _numbers(answer, str(entry["dtype"]), shape)
    names = tuple(map(str, values["names"]))
    return Content(values["attributes"], names, arrays, values["sealed"] is True)


def _texts(texts: Sequence[object], shape: tuple[int, ...]) -> Array:
    array = np.empty(len(texts), object)
    array[:] = [str(text) for text in texts]
    return array.reshape(shape)


def _numbers(answer: IO[bytes], dtype: str, shape: tuple[int, ...]) -> Array:
    array = np.empty(shape, np.dtype(dtype))
    if array.dtype.kind not in "iufb":
        raise EOFError
    room = memoryview(array.reshape(-1).view(np.uint8).data)
    while room:
        count = answer.readinto(room)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        room = room[count:]
    return array
