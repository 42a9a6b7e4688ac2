"""A short training in float64, whose numbers can be compared across machines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ffebm_dsl.language.diagnostics import InputError, NegativeResult
from ffebm_dsl.language.ir import Compiled
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.registry import DATA, TARGETS
from ffebm_dsl.running.datasets.raw import Raw, Split
from ffebm_dsl.running.training import Controls, Options, Progress, StopRequest, keyed, start, train

MOVED = 1e-12
"""Relative perturbation of each weight for measuring the amplification of rounding."""

TRIALS = 3
"""Random directions of the perturbation; the largest effect counts."""


class Point(NamedTuple):
    """One number of a curve, its place, and the scale for relative differences."""

    place: str
    value: float
    scale: float


@dataclass(frozen=True)
class Curve:
    """Results of a short training.

    Attributes:
        initial: Euclidean norm of each parameter before the first step, by label.
        loss, gradient_norm, free_sweeps: of each step; sweeps are the mean over samples.
        change: Euclidean norm of the change of each parameter by training.
        test_loss: after the last step.
    """

    initial: Mapping[str, float]
    loss: Sequence[float]
    gradient_norm: Sequence[float]
    free_sweeps: Sequence[float]
    change: Mapping[str, float]
    test_loss: float

    def points(self) -> Iterator[Point]:
        """All numbers, in order of computation."""
        yield from _of_tensors("initial", self.initial)
        for step, values in enumerate(
            zip(self.loss, self.gradient_norm, self.free_sweeps, strict=True), start=1
        ):
            for name, value in zip(("loss", "gradient norm", "free sweeps"), values, strict=True):
                yield Point(f"step {step}, {name}", value, abs(value))
        yield from _of_tensors("change of", self.change)
        yield Point("test loss", self.test_loss, abs(self.test_loss))


def _of_tensors(what: str, norms: Mapping[str, float]) -> Iterator[Point]:
    """Relative to the largest: a bias before a normalisation changes by rounding alone."""
    largest = max(norms.values(), default=0.0)
    for label, norm in norms.items():
        yield Point(f"{what} {label}", norm, largest)


def relative(first: Point, second: Point) -> float:
    """The relative difference of two numbers of the same place."""
    apart = abs(first.value - second.value)
    return apart / first.scale if apart else 0.0


def curve(compiled: Compiled, overrides: Mapping[str, str], steps: int, moved: int = 0) -> Curve:
    """Train for some steps on generated samples, in a temporary directory.

    Args:
        compiled: the spec, with the ``overrides``.
        moved: 0, or a seed: all weights are first perturbed by ``MOVED`` in random directions.

    Raises:
        InputError: the spec has no train section.
        NegativeResult: the training diverged.
    """
    plan = compiled.spec.train
    if plan is None:
        raise InputError(
            f"{compiled.source.name} has no train section", help="add `train { ... }` to the spec"
        )
    # Diagnostics do not affect the following steps, and take longer than these.
    plan = replace(plan, diagnose_every=0)
    compiled = replace(compiled, spec=replace(compiled.spec, train=plan))
    options = Options(overrides=overrides, device="cpu", dtype="float64", threads=1)
    with TemporaryDirectory(prefix="ffebm-verify-") as folder:
        made = made_samples(compiled.spec, steps)
        session = start(compiled, options, Path(folder) / "run", made=made)
        network = session.job.network
        labels = network.labels()
        weights = {labels[name]: p for name, p in network.named_parameters()}
        if moved:
            _move(weights, moved)
        before = {label: p.detach().clone() for label, p in weights.items()}
        try:
            result = train(session, Controls(StopRequest(), Progress(), steps))
        except NegativeResult as error:
            raise NegativeResult(
                f"the short training diverged: {error.message}",
                help="a spec that is to be reproduced must train: lower its learning rate",
            ) from error
    rows = session.record["train"]
    return Curve(
        initial={label: _norm(p) for label, p in before.items()},
        loss=_plain(rows["loss"]),
        gradient_norm=_plain(rows["gradient_norm"]),
        free_sweeps=_plain(rows["free_sweeps"]),
        change={label: _norm(p.detach() - before[label]) for label, p in weights.items()},
        test_loss=float(result.loss),
    )


def amplification(
    compiled: Compiled, overrides: Mapping[str, str], steps: int, base: Curve
) -> float:
    """The relative change of the curve divided by that of the initial weights."""
    largest = 0.0
    points = list(base.points())
    for trial in range(1, TRIALS + 1):
        moved = curve(compiled, overrides, steps, moved=trial)
        largest = max(largest, *map(relative, points, moved.points()))
    return largest / MOVED


def _move(weights: Mapping[str, Tensor], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in weights.values():
            signs = torch.randint(2, weight.shape, generator=generator, dtype=weight.dtype) * 2 - 1
            weight.mul_(1 + MOVED * signs)


def _norm(tensor: Tensor) -> float:
    return float(tensor.norm())


def _plain(values: NDArray[np.float64]) -> list[float]:
    return [0.0 if math.isnan(value) else float(value) for value in values]


def made_samples(spec: SpecIR, batches: int) -> Raw:
    """Samples of the spec's input shapes and targets of its kind: ``batches`` for training, one for
    testing, and as many for validation as the spec reserves. They are the same on all machines.

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
    return Raw(_made_split(spec, count, 0), _made_split(spec, size, count), ("made",))


def _made_split(spec: SpecIR, count: int, first: int) -> Split:
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
