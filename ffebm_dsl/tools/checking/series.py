"""The radius of convergence of a block's states as a power series in the nudging strength.

Complex phases give the gradient because states are holomorphic in beta inside a circle, up to
the first beta at which two equilibria meet. Beyond it a phase may settle on another branch, or
not at all, and the mean over the circle is meaningless. The radius R is estimated from the Taylor
coefficients of the states, given by phases on a circle: ``a[m] r^m`` falls as ``(r / R)^m``.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ffebm_dsl.physics.energy.complex_states import unpaired
from ffebm_dsl.physics.gradients.nudging import nudged_dynamics
from ffebm_dsl.physics.interfaces import Status
from ffebm_dsl.physics.relaxation import relax
from ffebm_dsl.tools.checking.problem import Captured

POINTS = 32
"""Phases on a circle; coefficients up to half as many are told apart."""

HALVINGS = 8
"""Circles below the spec's beta, each half as wide as the next."""

INSIDE = 0.7
"""Circles up to this part of the radius tell it; one beyond the radius misleads."""

NOISE = 1e-11
"""Coefficients this small, beside the free state, are rounding and the tolerance of the phases."""


@dataclass(frozen=True)
class SeriesReport:
    """The series in beta of one block's states.

    Attributes:
        block: its name.
        beta: the spec's strongest nudge.
        radius: the radius of convergence, smallest over samples; infinity if only the first
            coefficient is significant, 0 if no circle that was tried lies inside.
        settled: whether all phases on the circle of the spec's beta converged.
    """

    block: str
    beta: float
    radius: float
    settled: bool

    @property
    def converges(self) -> bool:
        """Whether the spec's nudges lie inside the series."""
        return self.settled and self.beta < self.radius


def series(block: str, captured: Captured, beta: float) -> SeriesReport:
    """The radius of convergence, from circles that grow up to ``beta`` while they lie inside."""
    radius = 0.0
    for halving in reversed(range(HALVINGS + 1)):
        circle = beta / 2**halving
        if radius and circle > INSIDE * radius:
            break
        sizes = _coefficients(captured, circle)
        if sizes is None:
            break
        radius = circle * _ratio(sizes)
    return SeriesReport(block, beta, radius, _coefficients(captured, beta) is not None)


def _coefficients(captured: Captured, circle: float) -> Tensor | None:
    """``|a[m]| r^m`` of the states for m = 1, 2, ..., (orders, B); None where a phase moves on."""
    angles = [2 * math.pi * k / POINTS for k in range(POINTS // 2 + 1)]
    betas = [cmath.rect(circle, angle) for angle in angles]
    equilibrium = captured.equilibrium
    with torch.no_grad():
        dynamics, start = nudged_dynamics(equilibrium, captured.cost, betas)
        solution = relax(dynamics, start, equilibrium.nudged)
    if not bool((solution.status == Status.CONVERGED).all()):
        return None
    batch = len(equilibrium.state[0])
    states = torch.cat([unpaired(s).flatten(1) for s in solution.state], 1)
    states = states.view(len(betas), batch, -1)
    # Of conjugate phases only one was relaxed.
    counts = states.new_tensor([1.0, *[2.0] * (len(betas) - 2), 1.0]).real
    turns = torch.tensor(angles, dtype=counts.dtype, device=states.device)
    orders = torch.arange(1, POINTS // 2, dtype=counts.dtype, device=states.device)
    factors = torch.polar(counts / POINTS, torch.zeros_like(counts)) * torch.exp(
        -1j * orders[:, None] * turns
    )
    sizes = torch.einsum("mk,kbn->mbn", factors, states).real.norm(dim=2)
    free = torch.cat([s.flatten(1) for s in equilibrium.state], 1).norm(dim=1)
    return torch.where(sizes > NOISE * free, sizes, 0.0)


def _ratio(sizes: Tensor) -> float:
    """The ratio by which ``a[m] r^m`` decreases from one m to the next, at least.

    From a line through the logarithms of the upper half of the orders that show: the lower
    ones say more of the states than of the radius. Next to a branch point coefficients fall
    by a further ``m^(-3/2)``, which is taken off.
    """
    ratios = []
    for sample in sizes.T.tolist():
        known = [
            (m, math.log(size) + 1.5 * math.log(m)) for m, size in enumerate(sample, 1) if size > 0
        ]
        upper = known[len(known) // 2 :] if len(known) > 3 else known
        if len(upper) > 1:
            middle = sum(m for m, _ in upper) / len(upper)
            spread = sum((m - middle) ** 2 for m, _ in upper)
            slope = sum((m - middle) * size for m, size in upper) / spread
            ratios.append(math.exp(-slope))
    return min(ratios, default=math.inf)
