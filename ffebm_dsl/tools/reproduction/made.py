"""Generated samples: the same on all machines, and available without a download."""

from __future__ import annotations

import math

import numpy as np
import torch

from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.registry import DATA, TARGETS
from ffebm_dsl.running.datasets.raw import Raw, Split
from ffebm_dsl.running.training import keyed


def made_samples(spec: SpecIR, batches: int) -> Raw:
    """Samples of the spec's input shapes and targets of its kind: ``batches`` for training, one for
    testing, and as many for validation as the spec reserves.

    In samples of integers, half of the pixels, chosen at random, depend on the class, and the
    others are random; if targets are not classes, all pixels are random.
    """
    assert spec.train is not None
    call = spec.train.data
    size = int(call.arguments["batch"])
    aside = float(call.arguments.get("validation", 0))
    count = size * batches + int(aside)
    while 0 < aside < 1 and count - max(1, round(aside * count)) < size * batches:
        count += 1
    return Raw(_split(spec, count, 0), _split(spec, size, count), ("made",))


def _split(spec: SpecIR, count: int, first: int) -> Split:
    """``count`` samples from number ``first`` on."""
    assert spec.train is not None
    shapes, target = [end.shape for end in spec.model.inputs], spec.model.target
    sizes = [math.prod(shape) for shape in shapes]
    levels = DATA[spec.train.data.name].integer_maximum + 1
    rows = np.arange(first, first + count)[:, None]
    pixels = np.arange(sum(sizes))[None, :]
    x = keyed.bits(keyed.Purpose.MADE, 0, rows, pixels)
    kind = TARGETS[target.kind]
    drawn = kind.draw(count, target.size, torch.Generator().manual_seed(first))
    y = drawn.numpy()
    if kind.classes:
        pattern = keyed.bits(keyed.Purpose.MADE, 1, y[:, None], pixels)
        x = np.where(x >> np.uint64(63) == 0, pattern, x)
    parts = np.split((x % np.uint64(levels)).astype(np.uint8), np.cumsum(sizes)[:-1], axis=1)
    inputs = tuple(part.reshape(count, *of) for part, of in zip(parts, shapes, strict=True))
    names = tuple(f"made samples of {end.name}" for end in spec.model.inputs)
    return Split(inputs, y, names, "made targets")
