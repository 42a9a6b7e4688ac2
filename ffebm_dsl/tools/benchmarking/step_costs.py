"""Seconds and bytes per step of a spec's network for every estimator, and for two references.

The references are the floor of its convolutions (:mod:`~ffebm_dsl.tools.benchmarking.floor`) and a
step of backpropagation through the same layers (:mod:`~ffebm_dsl.tools.benchmarking.backprop`).

A step is a forward and a backward pass, without the optimiser, whose work is the same for all. All
contenders run alternately on one network and one batch, so that a slowdown of the machine affects
all of them, and each ratio is taken within one round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from ffebm_dsl.build import build
from ffebm_dsl.language.ir.model import BlockIR, SpecIR
from ffebm_dsl.language.ir.resolve.bind import fill_defaults
from ffebm_dsl.language.registry import GRADIENTS
from ffebm_dsl.physics.interfaces import Estimator
from ffebm_dsl.physics.network import BlockSettings, HybridNetwork, Inputs, Outcome, PhaseReport
from ffebm_dsl.tools.benchmarking.backprop import feedforward
from ffebm_dsl.tools.benchmarking.floor import floor
from ffebm_dsl.tools.checking.problem import random_batch

CPU = torch.device("cpu")

Step = Callable[[], object]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class BenchSettings:
    """Settings of the measurement.

    ``batch`` samples per step; times of ``estimators`` (all, if there are none) after ``warm_up``
    rounds.
    """

    batch: int = 64
    repeats: int = 7
    warm_up: int = 2
    seed: int = 0
    estimators: tuple[str, ...] = ()
    dtype: torch.dtype = torch.float32
    device: torch.device = CPU


@dataclass(frozen=True)
class Spread:
    """Median, minimum and maximum of repeated measurements."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class StepCost:
    """Results of one contender.

    Attributes:
        seconds: per step.
        ratio: its seconds relative to the floor's in the same round.
        over_backprop: the same relative to backpropagation; None if there is none.
        peak_bytes: beyond parameters, batch and other memory in use before the step.
        sweeps: mean sweeps over blocks and samples, by phase.
        accelerated: the fraction of samples accelerated by `solver = auto`, by phase.
    """

    seconds: Spread
    ratio: Spread
    over_backprop: Spread | None
    peak_bytes: int
    sweeps: Mapping[str, float]
    accelerated: Mapping[str, float]


@dataclass(frozen=True)
class Bench:
    """Results: seconds of the floor and of backpropagation, and of a step by estimator.

    ``backprop`` is None if a block has no feedforward counterpart.
    """

    floor: Spread
    backprop: Spread | None
    estimators: Mapping[str, StepCost]


def bench(
    spec: SpecIR, settings: BenchSettings, progress: Progress = lambda done, total, what: None
) -> Bench:
    """Measure gradient estimators at equal sweeps, and the floor of nudged phases.

    Each block keeps the settings of its phases. A nudging estimator is the spec's own if the block
    has it, else the default; the others make as many sweeps as the block's nudged phase.
    """
    network = build(spec, seed=settings.seed, dtype=settings.dtype, device=settings.device)
    network.train()
    inputs, y = _batch(spec, settings)
    contenders = {
        kind: _contender(network, inputs, y, _settings(network, spec, kind))
        for kind in settings.estimators or GRADIENTS
    }
    plain = feedforward(network)
    nudging = _settings(network, spec, next(k for k in GRADIENTS if GRADIENTS[k].nudges))
    _contender(network, inputs, y, nudging)()  # a floor refers to the preceding step
    lowest = floor(network, inputs, nudging)
    steps: dict[str, Step] = {"floor": lowest, **contenders}
    if plain is not None:
        steps["backprop"] = _contender(plain, inputs, y)
    rounds = settings.warm_up + settings.repeats
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds):
        for name, step in steps.items():
            progress(turn, rounds, name)
            elapsed = _timed(step, settings.device)
            if turn >= settings.warm_up:
                seconds[name].append(elapsed)

    def over(kind: str, other: str) -> Spread:
        return Spread.of([a / b for a, b in zip(seconds[kind], seconds[other], strict=True)])

    costs = {
        kind: StepCost(
            Spread.of(seconds[kind]),
            over(kind, "floor"),
            None if plain is None else over(kind, "backprop"),
            peak_bytes(step, settings.device),
            _means(network, lambda report: report.sweeps),
            _means(network, lambda report: report.accelerated),
        )
        for kind, step in contenders.items()
    }
    backprop = None if plain is None else Spread.of(seconds["backprop"])
    return Bench(Spread.of(seconds["floor"]), backprop, costs)


def _batch(spec: SpecIR, settings: BenchSettings) -> tuple[Inputs, Tensor]:
    inputs, y = random_batch(spec, settings.batch, settings.seed)
    y = y.to(settings.dtype) if y.is_floating_point() else y
    device, dtype = settings.device, settings.dtype
    return tuple(x.to(device, dtype) for x in inputs), y.to(device)


def _estimator(kind: str, block: BlockIR) -> Estimator:
    """The estimator of a block for the contender ``kind``."""
    construct, own = GRADIENTS[kind], block.gradient
    kept = construct.nudges and own.name == kind
    compared = construct.compared(max(1, block.nudged.sweeps))
    arguments = own.arguments if kept else fill_defaults(construct, {**compared})
    estimator: Estimator = construct.make(arguments)
    return estimator


def _settings(network: HybridNetwork, spec: SpecIR, kind: str) -> dict[str, BlockSettings]:
    """The settings of every block, with the contender's estimator."""
    own = network.settings()
    return {
        block.name: replace(own[block.name], estimator=_estimator(kind, block))
        for block in spec.model.blocks
    }


def _contender(
    network: HybridNetwork,
    inputs: Inputs,
    y: Tensor,
    settings: Mapping[str, BlockSettings] | None = None,
) -> Step:
    parameters = [p for p in network.parameters() if p.requires_grad]

    def step() -> None:
        outcome = network(*inputs, y, settings=settings)
        assert isinstance(outcome, Outcome)
        torch.autograd.grad(outcome.loss, parameters, allow_unused=True)

    return step


def _timed(step: Step, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def peak_bytes(call: Callable[[], object], device: torch.device) -> int:
    """The peak memory of tensors during ``call``, in bytes, beyond what is in use before it.

    On the CPU every allocation of PyTorch's allocator is counted, so the result is exactly
    reproducible; allocations inside libraries (oneDNN's scratch memory) are not included. On CUDA
    it is the count of the caching allocator.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    events = profiler.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    held = peak = 0
    for _, change in changes:
        held += change
        peak = max(peak, held)
    return peak


def _means(network: HybridNetwork, of: Callable[[PhaseReport], Tensor]) -> dict[str, float]:
    """The mean of a quantity by phase, over the relaxations since the last forward pass."""
    found: dict[str, list[Tensor]] = {}
    for report in network.phases():
        found.setdefault(report.phase, []).append(of(report).double())
    return {phase: float(torch.cat(values).mean()) for phase, values in found.items()}
