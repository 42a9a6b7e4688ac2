"""Validation of samples and targets against a spec."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.ir.model import InputIR, TargetIR
from ffebm_dsl.language.registry import TARGETS
from ffebm_dsl.running.datasets.raw import AT_ONCE, Array, Split, check_counts

FAR = 20.0
"""Ratio of the splits' root mean squares from which on they count as scaled differently."""

COMPARED = 1000
"""Number of samples of each split that are compared."""

USUAL = 0.95
"""The fraction of the values that are not outliers."""

LARGEST = float(np.finfo(np.float32).max)
"""The largest value that a sample or a target may have."""


class DataMisfit(InputError):
    """Data that do not fit a spec's model.

    Attributes:
        code: of the diagnostic that says so.
        part: what they do not fit, as in ``Compiled.places``.
    """

    def __init__(self, code: str, part: str, message: str, *, help: str) -> None:
        super().__init__(message, help=help)
        self.code = code
        self.part = part


def check_split(split: Split, ends: Sequence[InputIR], target: TargetIR) -> Split:
    """The split with samples of the spec's input shapes and targets of the spec's kind.

    Samples (n, H, W) or (n, length) are accepted for an input with one channel, and images for a
    vector input with the same number of features. Targets are checked by their kind: labels (n,),
    vectors (n, size), ....

    Raises:
        DataMisfit: not one array per input, wrong shapes, targets of another kind or out of range.
        InputError: no samples, unequal counts, types that hold no numbers, values that are not
            finite.
    """
    if len(split.inputs) != len(ends):
        raise DataMisfit(
            "FFE5002",
            "",
            f"the data have {len(split.inputs)} arrays of samples ({', '.join(split.names)}), and "
            f"the model {len(ends)} inputs ({', '.join(end.name for end in ends)})",
            help="use npz or hdf5, whose arrays are named after the inputs, or state as many "
            "inputs as the data have",
        )
    arrays = zip(split.inputs, split.names, ends, strict=True)
    inputs = tuple(check_samples(x, name, end) for x, name, end in arrays)
    check_counts(split)
    fault = TARGETS[target.kind].fault(split.y, target.size)
    if fault is not None:
        kind = f"{target.kind}({target.size})"
        message = f"{split.y_name} {fault[0]}, but target `{target.name}` is {kind}"
        raise DataMisfit("FFE5003", "target", message, help=fault[1])
    _check_finite(split.y, split.y_name)
    return Split(inputs, _native(split.y), split.names, split.y_name)


def check_samples(x: Array, name: str, image: InputIR) -> Array:
    """Samples of the spec's input shape; ``name`` is their name in messages.

    Raises:
        DataMisfit: wrong shape.
        InputError: no samples, wrong type, or values that are not finite.
    """
    if x.ndim and not len(x):
        raise InputError(f"{name} holds no samples", help="give at least one sample")
    x = _shaped(x, name, image)
    _check_numeric(x, name)
    _check_finite(x, name)
    return _native(x)


def compare_splits(train: Split, test: Split) -> tuple[str, ...]:
    """Compare the samples and targets of both splits; return a list of warnings.

    Raises:
        InputError: the samples of one are integers, which are scaled, those of the other are not.
    """
    pairs = list(zip(train.inputs, test.inputs, train.names, test.names, strict=True))
    for x, other, name, other_name in pairs:
        if (x.dtype == np.uint8) != (other.dtype == np.uint8):
            raise InputError(
                f"{name} has type {x.dtype}, {other_name} {other.dtype}: uint8 is divided by 255 "
                "when used, other types are not",
                help="save both splits in the same type and range",
            )
    if train.y.dtype.kind == "f":
        pairs.append((train.y, test.y, train.y_name, test.y_name))
    return tuple(filter(None, (_range_warning(*pair) for pair in pairs)))


def _range_warning(train: Array, test: Array, train_name: str, test_name: str) -> str:
    """A warning if values of one split, of all features or one, far exceed the other's.

    Sizes are taken from at most ``COMPARED`` samples of each; "" if they are similar.
    """
    sizes, dense = zip(*(_sizes(split) for split in (train, test)), strict=True)
    first, second = (float(np.sqrt(np.mean(np.square(size)))) for size in sizes)
    where = ""
    if train.ndim == 2 and not _apart(first, second):
        for feature in np.flatnonzero(dense[0] & dense[1]):
            pair = float(sizes[0][feature]), float(sizes[1][feature])
            if _apart(*pair):
                where, (first, second) = f", feature {feature}", pair
                break
    if not _apart(first, second):
        return ""
    return (
        f"{test_name} and {train_name} differ by far in range{where}: root mean square "
        f"{second:.3g} and {first:.3g}; are both scaled in the same way?"
    )


def _sizes(array: Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Root mean square of each feature without outliers; whether it is mostly nonzero."""
    rows = np.unique(np.linspace(0, len(array) - 1, COMPARED).astype(np.int64))
    values = np.abs(array[rows].reshape(len(rows), -1).astype(np.float64))
    usual = np.minimum(values, np.quantile(values, USUAL, axis=0, method="lower"))
    with np.errstate(over="ignore"):
        return np.sqrt(np.mean(np.square(usual), axis=0)), (values > 0).mean(0) > 1 / 2


def _apart(first: float, second: float) -> bool:
    least, most = sorted((first, second))
    return most > FAR * least


def _shaped(x: Array, name: str, image: InputIR) -> Array:
    sample = x.shape[1:]
    fits = sample == image.shape or (len(sample) > 0 and (1, *sample) == image.shape)
    flattened = len(image.shape) == 1 and len(sample) > 1 and math.prod(sample) == image.shape[0]
    if not (fits or flattened):
        raise DataMisfit(
            "FFE5002",
            f"input.{image.name}",
            f"{name} has samples of shape {list(sample)}, "
            f"but input `{image.name}` is {image.kind}{image.shape}".replace(",)", ")"),
            help="change the spec's input or reshape the array",
        )
    return x.reshape(len(x), *image.shape)


def _native(array: Array) -> Array:
    """The array in native byte order, which torch requires."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check_numeric(x: Array, name: str) -> None:
    if x.dtype == np.uint8 or (x.dtype.kind == "f" and x.dtype.itemsize in (2, 4, 8)):
        return
    raise InputError(
        f"{name} has type {x.dtype}",
        help="save it as uint8 (scaled by 1/255 when used), float32 or float64 (used as it is)",
    )


def _check_finite(array: Array, name: str) -> None:
    if array.dtype.kind != "f":
        return
    rows = max(1, AT_ONCE // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        values = array[start : start + rows]
        # In single precision, larger ones are infinite.
        fine = np.abs(values) <= LARGEST if values.itemsize > 4 else np.isfinite(values)
        bad = np.argwhere(~fine)
        if len(bad):
            place = [start + int(bad[0][0]), *(int(i) for i in bad[0][1:])]
            raise InputError(
                f"{name} holds {array[tuple(place)]} at index {place}",
                help="remove or repair the sample: values must be finite in single precision",
            )
