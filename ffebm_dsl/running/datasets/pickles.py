"""Restricted reading of pickled batches: dictionaries of arrays, numbers, text and lists.

A pickle is a program for Python's unpickler. Here it may refer only to the names needed by arrays
of numbers, and these are mapped to functions of this module; nothing chosen by the file is imported
or called. Protocols 1 to 5, of Python 2 and 3.
"""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.storage import read_bounded

MAX_BYTES = 1 << 31
"""The largest published batch has 0.4 GB."""

INT64_END = 1 << 63

_NUMBERS = re.compile(r"[<>|=]?([iu][1248]|f[248])")
_SCALARS = (int, float, str, bytes, bool, type(None), np.ndarray)


class _Type:
    """Replaces ``numpy.dtype(text, align, copy)``; its state gives the byte order."""

    def __init__(self, text: Any, *_: Any) -> None:
        text = text.decode("latin-1") if isinstance(text, bytes) else str(text)
        if _NUMBERS.fullmatch(text) is None:
            raise ValueError(f"an array is of type {text[:20]!r}, and only numbers are data")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        order = state[1].decode() if isinstance(state[1], bytes) else str(state[1])
        self.dtype = self.dtype.newbyteorder(order)


class _Pending:
    """Replaces ``_reconstruct(ndarray, (0,), b"b")``: becomes an array when its state is set."""

    array: NDArray[Any] | None = None

    def __init__(self, *_: Any) -> None:
        """Ignore class, shape and type, which the state replaces."""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, raw = state
        raw = raw.encode("latin-1") if isinstance(raw, str) else raw
        self.array = _array(raw, kind, shape, "F" if fortran else "C")


def _array(raw: Any, kind: Any, shape: Any, order: Any = "C") -> NDArray[Any]:
    """A view of the bytes ``raw``; also replaces ``_frombuffer`` of protocol 5."""
    if not isinstance(raw, bytes) or not isinstance(kind, _Type):
        raise ValueError("an array has something other than its bytes and type")
    if type(shape) is not tuple or any(type(side) is not int or side < 0 for side in shape):
        raise ValueError("an array has no proper shape")
    found: NDArray[Any] = np.frombuffer(raw, kind.dtype).reshape(shape, order=order)
    found.flags.writeable = False
    return found


def _encode(text: str, codec: str) -> bytes:
    """Replaces ``_codecs.encode``, by which Python 3 writes bytes in protocol 2."""
    if codec not in ("latin1", "latin-1"):
        raise ValueError("text is taken as bytes by another codec")
    return text.encode("latin-1")


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _Type,
    ("numpy._core.multiarray", "_reconstruct"): _Pending,
    ("numpy._core.numeric", "_frombuffer"): _array,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): lambda: b"",  # by which Python 3 writes empty bytes in protocol 2
}
"""Replacements of the names that arrays of numbers need."""


# The Python implementation: that in C allocates as many values as a damaged number says.
class _DataUnpickler(pickle._Unpickler):
    """Python's unpickler, restricted to the names that data need."""

    # Read as bytes: the original allocates a bytearray of whatever length the file declares.
    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.BYTEARRAY8[0]: pickle._Unpickler.dispatch[pickle.BINBYTES8[0]],
    }

    def find_class(self, module: str, name: str) -> Any:
        key = module.replace("numpy.core.", "numpy._core."), name
        if key not in _KNOWN:
            raise pickle.UnpicklingError(f"{f'{module}.{name}'[:80]} is no name of data")
        return _KNOWN[key]


def read_pickle(path: Path) -> dict[str, Any]:
    """The dictionary of a pickle, with keys as text.

    Values are arrays (read-only), numbers, text, bytes and lists of these.

    Raises:
        InputError: unreadable, too large, truncated, not a dictionary, or with contents other than
            data.
    """
    file = io.BytesIO(read_bounded(path.resolve(), MAX_BYTES))
    try:
        # latin-1: strings of Python 2 are bytes.
        found = _DataUnpickler(file, encoding="latin-1").load()
        if file.read(1):
            raise ValueError(f"it continues after its end, at byte {file.tell() - 1}")
        if type(found) is not dict:
            raise ValueError(f"it holds a {type(found).__name__}, not a dictionary")
        return {_key(key): _value(value) for key, value in found.items()}
    except Exception as error:  # bytes that are not a pickle may raise anything
        fault = "it ends too early" if isinstance(error, EOFError) else error
        raise InputError(
            f"{path} cannot be read as a pickle of data: {fault}",
            help="fetch it again; pickles are read as data, nothing in them is run",
        ) from error


def _key(key: Any) -> str:
    if not isinstance(key, str | bytes):
        raise ValueError("a key is not text")
    return key.decode("latin-1") if isinstance(key, bytes) else key


def _value(value: Any) -> Any:
    if isinstance(value, _Pending):
        value = value.array
        if value is None:
            raise ValueError("an array is unfinished")
    entries = value if type(value) is list else [value]
    if any(type(entry) not in _SCALARS for entry in entries):
        raise ValueError("it holds other values than arrays, numbers, text and lists of them")
    if any(type(entry) is int and not -INT64_END <= entry < INT64_END for entry in entries):
        raise ValueError("it holds a number of more than 64 bits")
    return value
