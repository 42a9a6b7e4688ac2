"""Pickled batches of data sets: a dictionary of arrays, numbers, text and lists, read unrun.

A pickle is a program for Python's unpickler. Here it may use only the instructions and names
that arrays of numbers need, and the names lead to functions of this module: nothing is
imported or called that the file could choose. Protocols 1 to 5, of Python 2 and 3.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.storage import read_bounded

MAX_BYTES = 1 << 31
"""The largest batch in use has 0.4 GB."""

ALLOWED = frozenset(
    {
        *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE"),
        *("INT", "LONG", "LONG1", "BININT", "BININT1", "BININT2", "BINFLOAT", "FLOAT"),
        *(
            "STRING",
            "BINSTRING",
            "SHORT_BINSTRING",
            "BINBYTES",
            "SHORT_BINBYTES",
            "BINBYTES8",
            "BYTEARRAY8",
        ),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "GLOBAL"),
        *(
            "STACK_GLOBAL",
            "REDUCE",
            "BUILD",
            "PUT",
            "BINPUT",
            "LONG_BINPUT",
            "MEMOIZE",
            "GET",
            "BINGET",
            "LONG_BINGET",
        ),
    }
)
"""The instructions that data need: none that makes an object of a class, or looks outside."""

LARGEST = 1 << 63

KEEPING = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
GETTING = frozenset({"GET", "BINGET", "LONG_BINGET"})
TUPLES = frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"})

FAULTS = (
    *(pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(EOFError, OverflowError, MemoryError, RecursionError, ImportError),
)
"""What Python's unpickler raises for bytes that are no pickle."""

_NUMBERS = re.compile(r"[<>|=]?([iu][1248]|f[248])")
_SCALARS = (int, float, str, bytes, bool, type(None), np.ndarray)


class _Type:
    """What ``numpy.dtype(text, align, copy)`` is in a pickle; its state gives the byte order."""

    def __init__(self, text: Any, *_: Any) -> None:
        text = text.decode("latin-1") if isinstance(text, bytes) else str(text)
        if _NUMBERS.fullmatch(text) is None:
            raise ValueError(f"an array is of type {text[:20]!r}, and only numbers are data")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        order = state[1].decode() if isinstance(state[1], bytes) else str(state[1])
        self.dtype = self.dtype.newbyteorder(order)


class _Pending:
    """What ``_reconstruct(ndarray, (0,), b"b")`` is: an array once its state is there."""

    array: NDArray[Any] | None = None

    def __init__(self, *_: Any) -> None:
        """Ignore class, shape and type, which the state replaces."""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, raw = state
        raw = raw.encode("latin-1") if isinstance(raw, str) else raw
        self.array = _array(raw, kind, shape, "F" if fortran else "C")


def _no_bytes() -> bytes:
    """What ``bytes()`` is: how Python 3 writes empty bytes in protocol 2."""
    return b""


def _array(raw: Any, kind: Any, shape: Any, order: Any = "C") -> NDArray[Any]:
    """A view of the bytes ``raw``; also what ``_frombuffer`` is in protocol 5."""
    if not isinstance(raw, bytes | bytearray) or not isinstance(kind, _Type):
        raise ValueError("an array has something other than its bytes and type")
    if type(shape) is not tuple or any(type(side) is not int or side < 0 for side in shape):
        raise ValueError("an array has no proper shape")
    found: NDArray[Any] = np.frombuffer(raw, kind.dtype).reshape(shape, order=order)
    found.flags.writeable = False
    return found


class _DataUnpickler(pickle.Unpickler):
    """Python's unpickler for whom only names of data exist."""

    def __init__(self, content: bytes) -> None:
        # latin-1: strings of Python 2 hold bytes.
        super().__init__(io.BytesIO(content), encoding="latin-1")
        self._left = len(content)

    def find_class(self, module: str, name: str) -> Any:
        numpy_module = module.replace("numpy.core.", "numpy._core.")
        known = {
            ("numpy", "ndarray"): None,
            ("numpy", "dtype"): _Type,
            ("numpy._core.multiarray", "_reconstruct"): _Pending,
            ("numpy._core.numeric", "_frombuffer"): _array,
            ("_codecs", "encode"): self._encode,
            ("__builtin__", "bytes"): _no_bytes,
        }
        if (numpy_module, name) not in known:
            raise pickle.UnpicklingError(f"{f'{module}.{name}'[:80]} is no name of data")
        return known[numpy_module, name]

    def _encode(self, text: str, codec: str) -> bytes:
        """Bytes, as Python 3 writes them in protocol 2; no more in all than the file has."""
        self._left -= len(text)
        if codec not in ("latin1", "latin-1") or self._left < 0:
            raise ValueError("text is taken as bytes again and again, or by another codec")
        return text.encode("latin-1")


def read_pickle(path: Path) -> dict[str, Any]:
    """The dictionary that a pickle holds, by text keys.

    Values are arrays (read-only), numbers, text, bytes and lists of these.

    Raises:
        InputError: unreadable, too large, cut off, not a dictionary, or with anything in it
            that is not data.
    """
    content = read_bounded(path.resolve(), MAX_BYTES)
    try:
        _check_instructions(content)
        found = _DataUnpickler(content).load()
        if type(found) is not dict:
            raise ValueError(f"it holds a {type(found).__name__}, not a dictionary")
        return {_key(key): _value(value) for key, value in found.items()}
    except FAULTS as error:
        raise InputError(
            f"{path} cannot be read as a pickle of data: {error or type(error).__name__}",
            help="fetch it again; pickles are read as data, nothing in them is run",
        ) from error


def _check_instructions(content: bytes) -> None:
    """Refuse what data do not need, with its place, before anything is read."""
    end, before = 0, ""
    kept: set[int] = set()
    tuples: set[int] = set()
    for opcode, argument, place in pickletools.genops(content):
        name = opcode.name
        if name not in ALLOWED:
            raise ValueError(f"byte {place}: instruction {name} is not one of data")
        if name in KEEPING:
            number = len(kept) if name == "MEMOIZE" else int(argument or 0)
            # Python makes room for all values below the number under which one is kept.
            if number > len(content):
                raise ValueError(f"byte {place}: a value is kept as number {number}")
            kept.add(number)
            tuples |= {number} if before in TUPLES else set()
        # Tuples of tuples of tuples, each used twice, take for ever to be a key.
        if name in GETTING and int(argument or 0) in tuples:
            raise ValueError(f"byte {place}: a tuple is used twice")
        end, before = (place or 0) + 1, name
    if end != len(content):
        raise ValueError(f"byte {end}: the file goes on after its end")


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
    if any(type(entry) is int and not -LARGEST <= entry < LARGEST for entry in entries):
        raise ValueError("it holds a number of more than 64 bits")
    return value
