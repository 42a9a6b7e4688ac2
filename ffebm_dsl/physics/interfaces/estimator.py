"""Interface of the gradient estimators of energy blocks.

A block's equilibrium ``s*`` feeds a cost ``C`` per sample: either ``<cotangent, s_out>``,
with the cotangent handed down by the digital maps behind the block (Nest & Ernoult,
arXiv 2409.03306, Algorithm 1), or the loss itself. An estimator returns the gradient of
``sum over samples weight * C(s*)`` for the block's parameters and drives. Costs and
nudges are per sample; the batch reduction is in ``weight`` alone and is applied once.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeAlias

from ffebm_dsl.physics.interfaces.bound_energy import BoundEnergy, Force, Routings
from ffebm_dsl.physics.interfaces.noise import Draws
from ffebm_dsl.physics.interfaces.relaxation import PhaseSettings, Solution

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Equilibrium:
    """A block after its free phase, from which estimators start.

    Attributes:
        bound: the block's energy at the weights and drives of the forward pass.
        state: the free state, one tensor per layer.
        free: settings of the free phase.
        nudged: settings of the nudged phases.
        free_phase: runs the free phase of this call again, at other weights and drives or with a
            graph -> the states at its end.
        routings: routings of the max poolings, where the free phase froze them.
        force: a force that acts in every phase, or None.
        draws: source of the noise of this call; None: no noise.
        read: maps a layer's index and state to the state that weight updates see; None: the
            state itself.
        measured: maps the gradients of weights by an estimator, for samples of these weights, to
            those with the errors of measuring its contrast; None: there are no errors.
    """

    bound: BoundEnergy
    state: tuple[Tensor, ...]
    free: PhaseSettings
    nudged: PhaseSettings
    free_phase: Callable[[BoundEnergy], Sequence[Tensor]]
    routings: Routings | None = None
    force: Force | None = None
    draws: Draws | None = None
    read: Callable[[int, Tensor], Tensor] | None = None
    measured: MeasuredContrast | None = None


MeasuredContrast: TypeAlias = Callable[
    ["dict[str, Tensor]", "ContrastiveEstimator", "Tensor"], "dict[str, Tensor]"
]


class Cost(ABC):
    """A cost per sample as a function of the block's state, with parameters of its own."""

    def parameters(self) -> list[nn.Parameter]:
        """Trainable parameters of the cost, such as those of a readout."""
        return []

    @abstractmethod
    def layers(self) -> frozenset[int]:
        """The layers that C depends on."""

    @abstractmethod
    def gradient(self, state: Sequence[Tensor]) -> dict[int, Tensor]:
        """``dC/ds`` per sample at ``state``, for the layers that C depends on."""

    def curvature(self, layer: int) -> float:
        """The c for which the Hessian of C by the layer's state is c times the identity; else 0."""
        return 0.0

    @abstractmethod
    def stacked(self, copies: int) -> Cost:
        """The same cost for a batch in which every sample occurs ``copies`` times."""

    def parameter_gradient(self, state: Sequence[Tensor], weights: Tensor) -> list[Tensor]:
        """``sum over samples of weights * dC/d parameter``, aligned with :meth:`parameters`."""
        return []


class GradientEstimate(NamedTuple):
    """Gradients of ``sum weight * C`` and the solves behind them.

    Attributes:
        weights: gradients by name of the weight; a missing one is zero.
        drives: aligned with the drives, (B, *drive shape) each.
        cost_parameters: aligned with ``cost.parameters()``.
        solutions: each solve under its phase's name: ``nudged`` or ``adjoint``.
    """

    weights: dict[str, Tensor]
    drives: list[Tensor]
    cost_parameters: list[Tensor]
    solutions: Mapping[str, list[Solution]] = MappingProxyType({})


class Estimator(ABC):
    """A method of differentiating a cost through the equilibrium of a block."""

    random: bool = False
    """Whether an estimate depends on the seed of its call beyond the noise of its phases."""

    @abstractmethod
    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        """The gradient of ``sum over samples weights * C(s*)``; ``weights`` is (B,)."""

    def drawn(self, seed: int) -> Estimator:
        """The estimator to use in the call with this seed."""
        return self


class Phase(NamedTuple):
    """A phase of EP: its nudging strength and the weight of ``dF/dtheta`` at its end.

    A complex strength requires a holomorphic energy; the states are then complex.
    """

    beta: complex
    weight: complex


class ContrastiveEstimator(Estimator):
    """Equilibrium propagation with any number of phases.

    With the total energy ``F = E + beta C``, relaxed to ``s(beta)`` from the free state, the
    gradient of ``C(s*)`` for a weight or a drive is the derivative of ``dF/dtheta`` by beta
    at 0, taken as a finite difference over a few phases::

        Re(sum over phases of weight * dF/dtheta at (beta, s(beta)))

    ``dF/dtheta`` is the explicit derivative at a fixed state, so no phase needs a graph. All
    nudged phases of real strength are one relaxation of a batch that holds every sample once
    for each; those of complex strength are another. With layer weights w
    (:attr:`BoundEnergy.layer_weights`) the nudge of an output layer i is ``beta w_0 / w_i``, w_0
    the least of the output layers' weights, so that ``beta`` is what the most distant one feels.

    Where there is no energy, or with ``transposed``, the same weighted sum of states is taken to
    be the response to the nudge, and the gradient is ``<response, dv/dtheta>`` at the free state.

    Attributes:
        transposed: in nudged phases the displacement from the free state acts through the
            transpose of the couplings (:meth:`BoundEnergy.displaced`), which makes the response
            the right one for any couplings.
        clamped: in nudged phases the layers that C depends on are held at ``s - beta dC/ds``, s
            their free states, instead of feeling ``-beta dC/ds``.
        random: whether the sign of all nudges is drawn for every call.
    """

    transposed: ClassVar[bool] = False
    clamped: ClassVar[bool] = False
    direction: float = 1.0
    """-1 where the signs of all nudges have been turned round."""

    def drawn(self, seed: int) -> ContrastiveEstimator:
        """The estimator with the sign of its nudges drawn from the seed, if it is random."""
        # The lowest bit: a seed of torch's generator is uniform.
        return _Scaled(self, -1.0) if self.random and seed % 2 else self

    @property
    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """The phases, at most one of them free (beta 0); the real parts of their weights sum to 0.

        Complex phases come before the real ones.
        """

    @property
    def nudges(self) -> tuple[complex, ...]:
        """The strengths of the nudged phases, in order."""
        return tuple(phase.beta for phase in self.phases if phase.beta != 0)

    @property
    def is_complex(self) -> bool:
        """Whether there are phases of complex strength."""
        return any(isinstance(beta, complex) for beta in self.nudges)

    @property
    def reach(self) -> float:
        """The strength of the strongest nudge."""
        return max(abs(beta) for beta in self.nudges)

    def reaching(self, beta: float) -> ContrastiveEstimator:
        """The same estimator with phases scaled so that the strongest nudge is ``beta``."""
        return _Scaled(self, beta / self.reach)

    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        from ffebm_dsl.physics.gradients.contrast import estimate

        return estimate(self, equilibrium, cost, weights)


@dataclass(frozen=True)
class AutomaticEstimator(Estimator):
    """A contrastive estimator that measures the strength with the least squared error.

    A block measures once and keeps the result until it is told to measure again; used without a
    block, the estimator measures for every estimate.

    Attributes:
        contrast: the estimator, at any strength.
    """

    contrast: ContrastiveEstimator

    def choose(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> float:
        """The strength of the strongest nudge that gives the least error at this equilibrium."""
        from ffebm_dsl.physics.gradients.automatic import choose_beta

        return choose_beta(self.contrast, equilibrium, cost, weights)

    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        reach = self.choose(equilibrium, cost, weights)
        return self.contrast.reaching(reach).estimate(equilibrium, cost, weights)


@dataclass(frozen=True)
class _Scaled(ContrastiveEstimator):
    """The phases of another estimator, their strengths multiplied by ``factor``."""

    inner: ContrastiveEstimator
    factor: float

    @property
    def transposed(self) -> bool:  # type: ignore[override]
        return self.inner.transposed

    @property
    def clamped(self) -> bool:  # type: ignore[override]
        return self.inner.clamped

    @property
    def random(self) -> bool:  # type: ignore[override]
        return self.inner.random

    @property
    def direction(self) -> float:  # type: ignore[override]
        return math.copysign(self.inner.direction, self.inner.direction * self.factor)

    @property
    def phases(self) -> tuple[Phase, ...]:
        f = self.factor
        return tuple(Phase(p.beta * f, p.weight / f) for p in self.inner.phases)
