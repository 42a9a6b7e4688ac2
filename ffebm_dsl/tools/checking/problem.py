"""The problem on which gradients are compared: float64, converged, deterministic.

The network of the spec is built anew in float64 with its blocks set to relax until
nothing moves, and given a small random batch. Where max pooling inside a coupling keeps a
block from converging, its choices are frozen after the spec's sweeps, which leaves a
smooth problem with a well-defined gradient; that this was needed is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from ffebm_dsl.build import build
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.registry import TARGETS
from ffebm_dsl.physics.gradients import Cost, Equilibrium, Estimator, GradientEstimate
from ffebm_dsl.physics.network import EnergyBlock, HybridNetwork, PhaseReport
from ffebm_dsl.physics.relaxation import Relaxation, Status

TOLERANCE = 1e-13
"""Relative change per sweep below which a float64 state does not move any more."""

REMEDY_DAMPING = 0.5
"""Damping for blocks that cycle: it moves no fixed point and turns 2-cycles into decay."""


@dataclass
class Problem:
    """A converged network with its batch.

    Attributes:
        network: in float64, training mode, dropout off; relaxes to ``TOLERANCE``.
        x: inputs, (B, *input shape), standard normal.
        target: labels (B,) or vectors (B, K).
        configured: each block's (free, nudged) settings as the spec has them.
        frozen: blocks whose max pooling had to be frozen to converge.
        damped: blocks that had to be damped to converge.
        unconverged: blocks whose free phase does not converge all the same.
        free_reports: how each block's free phase went, from zeros to convergence.
    """

    network: HybridNetwork
    x: Tensor
    target: Tensor
    configured: dict[str, tuple[Relaxation, Relaxation]]
    frozen: list[str] = field(default_factory=list)
    damped: list[str] = field(default_factory=list)
    unconverged: list[str] = field(default_factory=list)
    free_reports: list[PhaseReport] = field(default_factory=list)

    def cores(self) -> dict[str, EnergyBlock]:
        return {block.name: block.core for block in self.network.blocks}

    def loss(self) -> float:
        """The mean loss at equilibrium."""
        with torch.no_grad():
            return float(self.network(self.x, self.target).loss)

    def gradients(self, estimators: Mapping[str, Estimator]) -> dict[str, Tensor]:
        """Gradients of the mean loss for every parameter and block input, by label.

        ``estimators`` gives one for each block, by name.
        """
        inputs: dict[str, Tensor] = {}

        def keep(name: str, tensor: Tensor) -> Tensor:
            inputs[name] = tensor
            return tensor

        labels = self.network.labels()
        parameters = dict(self.network.named_parameters())
        with estimators_set(self.cores(), estimators):
            x = self.x.clone().requires_grad_()
            loss = self.network(x, self.target, probe=keep).loss
            tensors = [*parameters.values(), *inputs.values()]
            found = torch.autograd.grad(loss, tensors, allow_unused=True, materialize_grads=True)
        names = [labels[name] for name in parameters] + list(inputs)
        return dict(zip(names, found, strict=True))

    def capture(self, estimator: Estimator) -> dict[str, Captured]:
        """What each block's estimator is given in a backward pass made by ``estimator``."""
        spies = {name: Spy(estimator) for name in self.cores()}
        self.gradients(spies)
        return {name: spy.seen for name, spy in spies.items() if spy.seen is not None}


@dataclass(frozen=True)
class Captured:
    """The arguments of one call of an estimator."""

    equilibrium: Equilibrium
    cost: Cost
    weights: Tensor


class Spy(Estimator):
    """Delegates to another estimator and remembers what it was given."""

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator
        self.seen: Captured | None = None

    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        self.seen = Captured(equilibrium, cost, weights)
        return self._estimator.estimate(equilibrium, cost, weights)


@contextmanager
def estimators_set(
    cores: Mapping[str, EnergyBlock], estimators: Mapping[str, Estimator]
) -> Iterator[None]:
    """Give each named block another estimator within the context."""
    before = {name: cores[name].estimator for name in estimators}
    try:
        for name, estimator in estimators.items():
            cores[name].estimator = estimator
        yield
    finally:
        for name, estimator in before.items():
            cores[name].estimator = estimator


def make_problem(spec: SpecIR, *, samples: int, seed: int, sweeps: int) -> Problem:
    """Build, draw a batch of ``samples``, and bring every block to convergence.

    ``sweeps`` is the most that a free phase may take.
    """
    network = build(spec, seed=seed, dtype=torch.float64)
    train_without_dropout(network)
    x, target = random_batch(spec, samples, seed)
    configured = {b.name: (b.core.free, b.core.nudged) for b in network.blocks}
    problem = Problem(network, x, target, configured)
    for core in problem.cores().values():
        core.keep_states = True
        core.free = replace(core.free, sweeps=sweeps, tolerance=TOLERANCE)
    _converge(problem)
    return problem


def random_batch(spec: SpecIR, samples: int, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs, standard normal, (B, *input shape), and targets: labels (B,) or vectors (B, K)."""
    generator = torch.Generator().manual_seed(seed)
    shape, size = (samples, *spec.model.input.shape), spec.model.target.size
    x = torch.randn(shape, dtype=torch.float64, generator=generator)
    if TARGETS[spec.model.target.kind].classes:
        return x, torch.randint(0, size, (samples,), generator=generator)
    return x, torch.randn((samples, size), dtype=torch.float64, generator=generator)


def train_without_dropout(network: nn.Module) -> None:
    """Training mode, in which batch norm takes the batch's statistics, but nothing is random."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()


def _damped(relaxation: Relaxation) -> Relaxation:
    damping = max(relaxation.damping, REMEDY_DAMPING)
    return replace(relaxation, damping=damping, over_relaxation=1.0)


def _converge(problem: Problem) -> None:
    """Freeze or damp, block by block in order, what does not converge by itself."""
    for name, core in problem.cores().items():
        report = _free_report(problem, name)
        routed = any(coupling.routed for coupling in core.energy.couplings)
        if not _all_converged(report) and routed:
            tight = core.free
            core.free = replace(tight, routing_after=problem.configured[name][0].sweeps)
            core.pinned_routings = _free_report(problem, name).routings
            core.free = tight
            problem.frozen.append(name)
            report = _free_report(problem, name)
        if not _all_converged(report):
            core.free, core.nudged = _damped(core.free), _damped(core.nudged)
            problem.damped.append(name)
            report = _free_report(problem, name)
        if not _all_converged(report):
            problem.unconverged.append(name)
        # Nudged phases start next to their end: the free phase's count is ample for them.
        needed = 2 * int(report.sweeps.max()) + 50
        core.nudged = replace(core.nudged, sweeps=needed, tolerance=TOLERANCE)
        problem.free_reports.append(report)
        # From here on a free phase has only to follow a small change.
        core.start = report.state


def _free_report(problem: Problem, name: str) -> PhaseReport:
    problem.loss()
    return problem.cores()[name].reports[0]


def _all_converged(report: PhaseReport) -> bool:
    return bool((report.status == Status.CONVERGED).all())
