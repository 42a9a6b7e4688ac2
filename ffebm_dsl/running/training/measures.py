"""Measurements of a training step: losses, relaxations and gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.linalg import vector_norm

from ffebm_dsl.constructs.gradients.bptt import BackpropagationThroughTime
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.physics.interfaces import Status
from ffebm_dsl.physics.network import HybridNetwork, Inputs, Outcome, PhaseReport
from ffebm_dsl.physics.network.whole_batch import Part
from ffebm_dsl.running.records import STATUSES
from ffebm_dsl.running.training.evaluation import hits
from ffebm_dsl.running.training.world import ALONE, World

IMPLICIT_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
"""Relative change at which the adjoint of a diagnosis counts as converged, by dtype."""

IMPLICIT_SWEEPS = 500

Norms = NDArray[np.float64]

Solves = dict[tuple[str, str], list[PhaseReport]]

RELAXATION_COLUMNS = (
    *("residual_max", "residual_median", "sweeps_mean", "sweeps_max", "accelerated"),
    *STATUSES,
)


@dataclass(frozen=True)
class Batch:
    """The samples of one step: ``indices`` (B,) into the training set, inputs and targets.

    ``seed`` is the seed of the step's random numbers. The first ``part.count`` samples of this
    process's ``part`` count; ``part.first`` is the position of the first in the whole batch.
    """

    seed: int
    indices: NDArray[np.int64]
    inputs: Inputs
    y: Tensor
    part: Part

    @property
    def weight(self) -> float:
        """The fraction of the whole batch that belongs to this process."""
        return self.part.count / self.part.total


@dataclass(frozen=True)
class StepNumbers:
    """Results of a forward and a backward pass, over all processes.

    Attributes:
        loss: mean over the whole batch.
        terms: means of the terms of the loss, without their weights.
        hits: number of samples whose largest logit is correct; NaN for vector targets.
        gradient_norm: Euclidean norm over the gradients of all parameters.
        flagged: whether anything other than loss and gradient is bad.
        solves: (block, phase) of each relaxation, in order of first occurrence.
        relaxations: the columns of ``/run/relaxation`` without the step, (solves,) each.
    """

    loss: float
    terms: tuple[float, ...]
    hits: float
    gradient_norm: float
    flagged: bool
    solves: list[tuple[str, str]]
    relaxations: dict[str, NDArray[np.float64]]

    @property
    def finite(self) -> bool:
        return math.isfinite(self.loss) and math.isfinite(self.gradient_norm)

    @property
    def free_sweeps(self) -> float:
        """Mean sweeps of the free phases; NaN if there is none."""
        free = [i for i, (_, phase) in enumerate(self.solves) if phase == "free"]
        return float(self.relaxations["sweeps_mean"][free].mean()) if free else math.nan


@torch.no_grad()
def read_step(
    phases: Sequence[PhaseReport],
    outcome: Outcome,
    batch: Batch,
    gradients: Sequence[Tensor],
    watched: Sequence[Tensor],
    is_wrong: Callable[[Norms], bool],
    world: World = ALONE,
) -> StepNumbers:
    """The numbers of a step after its backward pass, read from the device in one transfer.

    Args:
        phases: reports of the network's phases.
        outcome: result of the forward pass.
        batch: this process's part of the samples.
        gradients: those of all parameters.
        watched: tensors whose norm must be finite.
        is_wrong: judges these norms, which are followed by the largest entries of the samples.
        world: the processes that share the batch.
    """
    count = batch.part.count
    solves = by_solve(gathered(phases, world, count))
    found = hits(outcome.logits[:count], batch.y[:count])
    # Not a norm: the square of a finite sample may overflow.
    entries = [vector_norm(t, torch.inf) for t in (*batch.inputs, batch.y) if t.is_floating_point()]
    norms = torch._foreach_norm([*gradients, *watched])
    means = outcome.loss[None], outcome.terms
    values = [found[None], *means, torch.stack([*norms, *entries]), *_per_sample(solves)]
    read = torch.cat(values).cpu().numpy().astype(np.float64)
    first = 2 + len(outcome.terms)
    second = first + len(gradients)
    third = first + len(norms) + len(entries)
    own = read[:first]
    own[1:] = own[1:] * batch.weight if count else 0.0
    wrong = is_wrong(read[second:third])
    right, loss, *terms, flags = world.all_reduce_values([*own, wrong])
    relaxations = relaxation_columns(solves, read[third:])
    flagged = flags > 0 or bool(relaxations["diverged"].any())
    norm = math.hypot(*read[first:second])
    return StepNumbers(loss, tuple(terms), right, norm, flagged, list(solves), relaxations)


def norms_of(tensors: Sequence[Tensor]) -> Norms:
    """The Euclidean norm of every tensor, (tensors,)."""
    norms = torch._foreach_norm([t.detach() for t in tensors])
    return torch.stack(norms).cpu().numpy().astype(np.float64)


def gathered(phases: Sequence[PhaseReport], world: World, count: int) -> list[PhaseReport]:
    """The reports with the samples of all processes, ``count`` of which are this process's."""
    if world.size == 1:
        return list(phases)
    reports = [
        torch.stack([part.double() for part in (r.residual, r.sweeps, r.status, r.accelerated)])
        for r in phases
    ]
    own = torch.stack(reports)[..., :count]
    columns = torch.cat(world.all_gather(own.cpu()), -1).to(own.device)
    return [
        # Of the paces, only whether a sample was accelerated is used.
        replace(report, residual=residual, sweeps=sweeps, status=status, paces=1 + accelerated)
        for report, (residual, sweeps, status, accelerated) in zip(phases, columns, strict=True)
    ]


def by_solve(phases: Sequence[PhaseReport]) -> Solves:
    """Reports by (block, phase) in order of first occurrence; nudged phases share one entry."""
    solves: Solves = {}
    for report in phases:
        solves.setdefault((report.block, report.phase), []).append(report)
    return solves


def _per_sample(solves: Solves) -> list[Tensor]:
    """Residuals, sweeps, statuses and, if any, accelerated samples, over all phases.

    They are concatenated in the order that :func:`relaxation_columns` expects.
    """
    reports = [report for phases in solves.values() for report in phases]
    columns = [[r.residual for r in reports], [r.sweeps for r in reports]]
    columns.append([r.status for r in reports])
    if any(report.paces is not None for report in reports):
        columns.append([r.accelerated for r in reports])
    return [torch.cat(column) for column in columns]


def relaxation_columns(
    solves: Solves, values: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """``RELAXATION_COLUMNS`` of the solves, (solves,) each, from the values of their samples.

    Computed with NumPy, whose calls on vectors of a batch's length take a fraction of the time of
    PyTorch's.
    """
    lengths = np.array([sum(len(r.status) for r in phases) for phases in solves.values()])
    ends, solve = np.cumsum(lengths), np.repeat(np.arange(len(lengths)), lengths)
    starts = ends - lengths
    residual, sweeps, status, *accelerated = values.reshape(-1, ends[-1])
    greatest = np.maximum.reduceat(residual, starts)
    codes = len(STATUSES) * solve + status.astype(np.int64)
    counts = np.bincount(codes, minlength=len(STATUSES) * len(lengths))
    columns = [
        greatest,
        # As torch.median: the lower of the two middle values, and NaN if there is any.
        [_lower_median(residual[i:j]) for i, j in zip(starts, ends, strict=True)],
        np.add.reduceat(sweeps, starts) / lengths,
        np.maximum.reduceat(sweeps, starts),
        np.add.reduceat(accelerated[0], starts) if accelerated else np.zeros(len(lengths)),
        *counts.reshape(-1, len(STATUSES)).T,
    ]
    found = dict(zip(RELAXATION_COLUMNS, np.array(columns), strict=True))
    found["residual_median"][np.isnan(greatest)] = np.nan
    return found


def _lower_median(values: NDArray[np.floating[Any]]) -> float:
    middle = (len(values) - 1) // 2
    return float(np.partition(values, middle)[middle])


def trainable(network: nn.Module) -> dict[str, nn.Parameter]:
    """The trainable parameters, by name."""
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


def sweeps(phases: Sequence[PhaseReport]) -> float:
    """Mean sweeps of a sample over all phases; those of an adjoint cost and count twice."""
    return sum(
        float(report.sweeps.double().mean()) * (2 if report.phase == "adjoint" else 1)
        for report in phases
    )


def has_reference(network: HybridNetwork) -> bool:
    """Whether an implicit gradient is a reference for that of some block.

    It is none for itself, nor for ``bptt``, which is exact whether free phases converge or not.
    """
    without = (Implicit, BackpropagationThroughTime)
    return not all(isinstance(s.estimator, without) for s in network.settings().values())


def gradient_row(
    network: HybridNetwork, inputs: Inputs, y: Tensor, world: World = ALONE, weight: float = 1.0
) -> dict[str, Any]:
    """The columns of ``/run/gradients`` without the step, one entry per parameter tensor.

    Compares the gradients of the parameters with implicit ones on the same batch. x and y are this
    process's part of it, with ``weight`` of the samples. Gradients and buffers are restored. Where
    the adjoint of a sample diverges there is no reference, and what is compared with it is NaN.
    """
    # As in a step, whose cotangents converters round: the mean over processes of scaled losses.
    own = _implicit_gradients(network, inputs, y, weight * world.size)
    reference = [world.all_reduce(part) / world.size for part in own]
    exhausted, diverged = map(int, world.all_reduce_values(_unsolved(network.phases())))
    if diverged:
        reference = [torch.full_like(part, torch.nan) for part in reference]
    rows = []
    for parameter, implicit in zip(trainable(network).values(), reference, strict=True):
        grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        a, b = grad.double().flatten(), implicit.double().flatten()
        norm, norm_implicit = a.norm(), b.norm()
        gap = (a - b).norm()
        cosine = a @ b / (norm * norm_implicit)
        # Two gradients of zero are equal, but have no angle between them.
        error = torch.where(gap == 0, gap, gap / norm_implicit)
        rows.append(torch.stack([norm, norm_implicit, cosine, error]))
    values = torch.stack(rows).cpu().numpy()
    names = ("norm", "norm_implicit", "cosine", "relative_error")
    columns = {name: values[:, i] for i, name in enumerate(names)}
    return {**columns, "exhausted": exhausted, "diverged": diverged}


def _unsolved(phases: Sequence[PhaseReport]) -> tuple[int, int]:
    """How many samples of the adjoint solves of all blocks were exhausted, and diverged."""
    solves = [report.status for report in phases if report.phase == "adjoint"]
    diverged = sum(int((status == int(Status.DIVERGED)).sum()) for status in solves)
    converged = sum(int((status == int(Status.CONVERGED)).sum()) for status in solves)
    return sum(map(len, solves)) - converged - diverged, diverged


def _implicit_gradients(
    network: HybridNetwork, inputs: Inputs, y: Tensor, weight: float
) -> list[Tensor]:
    parameters = list(trainable(network).values())
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        implicit = Implicit(IMPLICIT_TOLERANCE[inputs[0].dtype], IMPLICIT_SWEEPS)
        outcome = network(*inputs, y, settings=network.settings(estimator=implicit))
        assert isinstance(outcome, Outcome)
        gradients = torch.autograd.grad(outcome.loss * weight, parameters, allow_unused=True)
    finally:
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(buffers[name])
    return [
        torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)
    ]
