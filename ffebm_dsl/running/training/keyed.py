"""Random numbers as functions of a key: seed, epoch, sample, step.

Numbers are computed by hashing a key, not by a generator with a state. The numbers of a sample or a
step therefore do not depend on batches, on workers, on earlier draws, or on where a run was
interrupted.

The hash chains the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCHEME = "splitmix64 of (stream, seed, epoch or step, index); torch seeded per step"
"""Stored in the record; it must be changed whenever the numbers below change."""

FIRST_EPOCH = 0
"""The key of the first epoch; the record counts epochs from 1."""

U64 = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_TOGETHER = 256


class Purpose(IntEnum):
    """The purpose of random numbers; equal keys of different streams are unrelated."""

    PERMUTATION = 1
    AUGMENTATION = 2
    STEP = 3
    VALIDATION = 4
    EVALUATION = 5
    MADE = 6
    PARTNER = 7


def bits(stream: Purpose, *key: ArrayLike) -> U64:
    """64 random bits for every entry of the key, whose integer parts are broadcast."""
    parts = np.broadcast_arrays(*(_words(part) for part in key))
    state = np.full(parts[0].shape, int(stream), np.uint64)
    for part in parts:
        state = _mix(state + _GOLDEN + part)
    return state


def uniform(stream: Purpose, *key: ArrayLike) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), each from 53 random bits."""
    mantissa = bits(stream, *key) >> np.uint64(11)
    return mantissa.astype(np.float64) * 2.0**-53


def permutation(seed: int, epoch: int, size: int) -> NDArray[np.int64]:
    """The order of an epoch's samples: a permutation of 0 to size - 1, (size,)."""
    keys = bits(Purpose.PERMUTATION, seed, epoch, np.arange(size))
    return np.argsort(keys, kind="stable").astype(np.int64)


def step_seed(seed: int, step: int) -> int:
    """The seed of torch's generators for one training step."""
    block, place = divmod(step, _TOGETHER)
    return _step_seeds(seed, block)[place]


@lru_cache(maxsize=1)
def _step_seeds(seed: int, block: int) -> list[int]:
    """The seeds of ``_TOGETHER`` steps: hashing them all takes hardly longer than hashing one."""
    steps = np.arange(block * _TOGETHER, (block + 1) * _TOGETHER)
    found: list[int] = (bits(Purpose.STEP, seed, steps) >> np.uint64(1)).tolist()
    return found


def evaluation_seed(first: int) -> int:
    """The seed of torch's generators for an evaluation's batch whose first sample is ``first``.

    It does not depend on the run, so that evaluations of different networks use the same numbers.
    """
    return int(bits(Purpose.EVALUATION, first)[0] >> np.uint64(1))


def _words(part: ArrayLike) -> U64:
    """Integers of any sign as 64-bit words, at least one-dimensional so that sums wrap silently."""
    return np.atleast_1d(np.asarray(part, np.int64)).astype(np.uint64)


def _mix(z: U64) -> U64:
    z = (z ^ (z >> _SHIFTS[0])) * _MULTIPLIERS[0]
    z = (z ^ (z >> _SHIFTS[1])) * _MULTIPLIERS[1]
    return z ^ (z >> _SHIFTS[2])
