"""What a pickle can say of NumPy: types and arrays, made here from checked facts.

NumPy's own classes never see what a file says: an array is made over bytes that are already
there, once its shape and type ask for just so many.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

Fault = Callable[[str], NoReturn]
"""Called with what is wrong; raises, with the place in the file."""


class Name(Enum):
    """What a pickle may name."""

    RECONSTRUCT = "an array, to be filled"
    NDARRAY = "the class of arrays"
    DTYPE = "a type"
    FROMBUFFER = "an array over bytes"
    ENCODE = "text as bytes"
    BYTES = "no bytes"


_CORES = ("numpy.core", "numpy._core")
NAMES: Mapping[tuple[str, str], Name] = {
    **{(f"{core}.multiarray", "_reconstruct"): Name.RECONSTRUCT for core in _CORES},
    **{(f"{core}.numeric", "_frombuffer"): Name.FROMBUFFER for core in _CORES},
    ("numpy", "ndarray"): Name.NDARRAY,
    ("numpy", "dtype"): Name.DTYPE,
    ("_codecs", "encode"): Name.ENCODE,
    ("__builtin__", "bytes"): Name.BYTES,
}

_CODE = re.compile(r"[uif][1248]")


@dataclass
class PendingType:
    """A type in the making: its code, such as ``u1``, and its byte order."""

    code: str
    order: str = "|"


@dataclass
class PendingArray:
    """An array in the making."""

    values: NDArray[Any] | None = None


def call(name: Any, arguments: Any, fault: Fault) -> PendingArray | PendingType:
    """What the pickle gets for calling ``name``."""
    made: PendingArray | PendingType
    match name, arguments:
        case Name.RECONSTRUCT, (Name.NDARRAY, (0,), b"b" | "b"):
            made = PendingArray()
        case Name.DTYPE, (str() | bytes() as code, _, _):
            made = _type(_text(code), fault)
        case Name.FROMBUFFER, (bytes() | memoryview() as raw, PendingType() as kind, shape, order):
            made = PendingArray(_array(raw, kind, shape, order == "F", fault))
        case _:
            fault("it calls something other than arrays and types")
    return made


def set_state(target: Any, state: Any, fault: Fault) -> None:
    """Fill an array or a type in the making."""
    match target, state:
        case PendingArray(), (1, shape, PendingType() as kind, bool() | int() as fortran, raw):
            if not isinstance(raw, bytes | memoryview):
                fault("an array is given by something other than its bytes")
            target.values = _array(raw, kind, shape, bool(fortran), fault)
        case PendingType(), (int(), str() | bytes() as order, None, None, None, *_):
            target.order = _text(order)
            if target.order not in ("<", ">", "|", "="):
                fault("a type has an unknown byte order")
        case _:
            fault("it sets the state of something other than arrays of numbers and their types")


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _type(code: str, fault: Fault) -> PendingType:
    if not _CODE.fullmatch(code):
        fault(f"an array has entries of type {code[:20]!r}; only numbers are data")
    return PendingType(code)


def _array(
    raw: bytes | memoryview, kind: PendingType, shape: Any, fortran: bool, fault: Fault
) -> NDArray[Any]:
    """An array over bytes that are there, if shape and type ask for just so many."""
    sides = shape if isinstance(shape, tuple) else ()
    if not sides or not all(type(side) is int and side >= 0 for side in sides):
        fault("an array has no proper shape")
    try:
        dtype = np.dtype(("" if kind.order == "|" else kind.order) + kind.code)
    except TypeError:
        fault(f"there are no numbers of type {kind.code}")
    if math.prod(sides) * dtype.itemsize != len(raw):
        fault(f"an array of shape {list(sides)} and type {dtype} has {len(raw)} bytes")
    try:
        return np.frombuffer(raw, dtype).reshape(sides, order="F" if fortran else "C")
    except ValueError as error:
        fault(f"an array cannot be: {error}")
