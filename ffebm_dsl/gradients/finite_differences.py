"""Central finite differences along random directions: the judge of every estimator.

A tensor of n entries is probed along ``min(n, count)`` directions: the coordinate axes
where n is small enough, so that nothing escapes; otherwise random vectors of entries
+-1, each of which every entry takes part in.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

STEP = 1e-6
"""Half the distance of the two evaluations; with losses good to 1e-15 the noise is 1e-9."""


def directions(like: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(m, *shape of ``like``) directions with m = min(count, number of entries)."""
    size = like.numel()
    if size <= count:
        rows = torch.eye(size, dtype=like.dtype)
    else:
        bits = torch.randint(0, 2, (count, size), generator=generator)
        rows = (2 * bits - 1).to(like.dtype)
    return rows.view(-1, *like.shape).to(like.device)


def directional_derivatives(
    value: Callable[[Tensor], float], rows: Tensor, step: float = STEP
) -> Tensor:
    """Central differences of ``value(offset)`` at offset 0 along each of ``rows``, (m,)."""
    slopes = [(value(step * row) - value(-step * row)) / (2 * step) for row in rows]
    return torch.tensor(slopes, dtype=torch.float64)


def project(gradient: Tensor, rows: Tensor) -> Tensor:
    """The inner products of ``gradient`` with each of ``rows``, (m,)."""
    return (rows.flatten(1) @ gradient.flatten()).double().cpu()
