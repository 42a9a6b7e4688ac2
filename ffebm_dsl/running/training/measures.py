"""Rows of the record that are measured on a training step: relaxations and gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ffebm_dsl.physics.gradients import Implicit
from ffebm_dsl.physics.network import HybridNetwork, Outcome, PhaseReport
from ffebm_dsl.running.records import STATUSES
from ffebm_dsl.running.training.world import ALONE, World

IMPLICIT_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
"""Relative change at which the adjoint of a diagnostic counts as converged, by precision."""

IMPLICIT_SWEEPS = 500

Solves = dict[tuple[str, str], list[PhaseReport]]


def gathered(phases: Sequence[PhaseReport], world: World, count: int) -> list[PhaseReport]:
    """The reports with the samples of all processes, ``count`` of them this one's own."""
    if world.size == 1:
        return list(phases)
    reports = [
        torch.stack([report.residual.double(), report.sweeps.double(), report.status.double()])
        for report in phases
    ]
    rows = world.rows(torch.stack(reports).flatten(0, 1).T[:count])
    columns = rows.T.view(len(phases), 3, -1)
    return [
        replace(report, residual=residual, sweeps=sweeps, status=status)
        for report, (residual, sweeps, status) in zip(phases, columns, strict=True)
    ]


def by_solve(phases: Sequence[PhaseReport]) -> Solves:
    """Reports by (block, phase) in order of first occurrence; nudged phases share one entry."""
    solves: Solves = {}
    for report in phases:
        solves.setdefault((report.block, report.phase), []).append(report)
    return solves


def relaxation_row(solves: Solves) -> dict[str, NDArray[np.float64]]:
    """The columns of ``/run/relaxation`` without the step, one entry per solve, (solves,)."""
    rows = []
    for reports in solves.values():
        residual = torch.cat([report.residual for report in reports]).double()
        sweeps = torch.cat([report.sweeps for report in reports]).double()
        status = torch.cat([report.status for report in reports])
        counts = [(status == code).sum().double() for code in range(len(STATUSES))]
        rows.append(
            torch.stack([residual.max(), residual.median(), sweeps.mean(), sweeps.max(), *counts])
        )
    values = torch.stack(rows).cpu().numpy()
    names = ("residual_max", "residual_median", "sweeps_mean", "sweeps_max", *STATUSES)
    return {name: values[:, i] for i, name in enumerate(names)}


def free_sweeps(solves: Solves, row: Mapping[str, NDArray[np.float64]]) -> float:
    """Mean sweeps of the free phases, from a relaxation row."""
    free = [i for i, (_, phase) in enumerate(solves) if phase == "free"]
    return float(row["sweeps_mean"][free].mean()) if free else float("nan")


def trainable(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training moves, by name."""
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


def gradient_norm(network: nn.Module) -> float:
    """Euclidean norm over the gradients of all parameters."""
    norms = [
        torch.linalg.vector_norm(p.grad, dtype=torch.float64)
        for p in trainable(network).values()
        if p.grad is not None
    ]
    return float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0


def gradient_row(
    network: HybridNetwork, x: Tensor, y: Tensor, world: World = ALONE, weight: float = 1.0
) -> dict[str, Any]:
    """The columns of ``/run/gradients`` without the step, one entry per parameter tensor.

    Compares the gradients that the parameters hold with implicit ones on the same batch, of
    which x and y are the own part, with ``weight`` of the samples.
    Leaves no trace: gradients and buffers are as before.
    """
    reference = [world.sum(part) for part in _implicit_gradients(network, x, y, weight)]
    rows = []
    for parameter, implicit in zip(trainable(network).values(), reference, strict=True):
        own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        a, b = own.double().flatten(), implicit.double().flatten()
        norm, norm_implicit = a.norm(), b.norm()
        gap = (a - b).norm()
        cosine = a @ b / (norm * norm_implicit)
        # Two gradients of zero are equal, but have no angle between them.
        error = torch.where(gap == 0, gap, gap / norm_implicit)
        rows.append(torch.stack([norm, norm_implicit, cosine, error]))
    values = torch.stack(rows).cpu().numpy()
    names = ("norm", "norm_implicit", "cosine", "relative_error")
    return {name: values[:, i] for i, name in enumerate(names)}


def _implicit_gradients(
    network: HybridNetwork, x: Tensor, y: Tensor, weight: float
) -> list[Tensor]:
    parameters = list(trainable(network).values())
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        implicit = Implicit(IMPLICIT_TOLERANCE[x.dtype], IMPLICIT_SWEEPS)
        with network.gradients_by(implicit):
            outcome = network(x, y)
            assert isinstance(outcome, Outcome)
            gradients = torch.autograd.grad(outcome.loss * weight, parameters, allow_unused=True)
    finally:
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(buffers[name])
    return [
        torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)
    ]
