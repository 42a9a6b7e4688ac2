"""An energy at fixed weights and drives, as relaxations and estimators use it.

Shapes: a state is a sequence with one tensor per layer, (B, *layer shape).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypeAlias, runtime_checkable

from ffebm_dsl.physics.interfaces.activation import Activation
from ffebm_dsl.physics.interfaces.op import Weights
from ffebm_dsl.physics.interfaces.solver import Dynamics

if TYPE_CHECKING:
    from torch import Tensor

State: TypeAlias = "Sequence[Tensor]"
Routing: TypeAlias = "tuple[Tensor, ...]"
"""One index tensor per routed op of a chain, in the order of the chain."""

Routings: TypeAlias = Mapping[int, Routing]
"""The routing of each coupling that has one, by the coupling's index."""


@dataclass(frozen=True)
class Layer:
    """A layer of the analog array: its name, the shape of its state, its activation."""

    name: str
    shape: tuple[int, ...]
    activation: Activation


class Force(Protocol):
    """A term added to the pre-activations of some layers: a nudge, noise or an offset."""

    def onto(self, v: Tensor, layer: int, state: State, *, overwrite: bool) -> Tensor:
        """``v``, (B, *layer shape), plus the force on that layer at ``state``.

        Computed in place if ``overwrite``; ``v`` itself where no force acts.
        """

    def select(self, rows: Tensor) -> Force:
        """The force on these samples alone."""


@runtime_checkable
class Restoring(Protocol):
    """A force that decreases linearly with the state of the layer on which it acts."""

    def curvature(self, layer: int) -> Tensor | None:
        """Minus the derivative of the force with respect to the layer's state, (B,).

        None where it is not one constant for all entries. An energy whose minima are known in
        closed form uses it to find the minimum under the force in one update.
        """


@dataclass(frozen=True)
class Forces:
    """The sum of several forces, added in order."""

    parts: tuple[Force, ...]

    def onto(self, v: Tensor, layer: int, state: State, *, overwrite: bool) -> Tensor:
        for part in self.parts:
            total = part.onto(v, layer, state, overwrite=overwrite)
            v, overwrite = total, overwrite or total is not v
        return v

    def select(self, rows: Tensor) -> Forces:
        return Forces(tuple(part.select(rows) for part in self.parts))


def summands(force: Force | None) -> tuple[Force, ...]:
    """The forces that add up to ``force``, in order."""
    if force is None:
        return ()
    return force.parts if isinstance(force, Forces) else (force,)


def curvature(force: Force | None, layer: int) -> Tensor | None:
    """The sum of :meth:`Restoring.curvature` over the parts of a force, (B,)."""
    acting: tuple[object, ...] = summands(force)
    known = [part.curvature(layer) for part in acting if isinstance(part, Restoring)]
    found = [each for each in known if each is not None]
    return sum(found[1:], start=found[0]) if found else None


def together(*forces: Force | None) -> Force | None:
    """The sum of these forces; None without any."""
    given = tuple(force for force in forces if force is not None)
    return Forces(given) if len(given) > 1 else next(iter(given), None)


class EnergyDynamics(Dynamics, Protocol):
    """The update rule of the state of a block."""

    def routings(self, state: State) -> Routings:
        """Routings of the routed ops: those that are kept, or else those chosen at ``state``."""

    def select(self, rows: Tensor) -> EnergyDynamics:
        """The dynamics of the samples ``rows`` (indices into the batch) alone."""


@dataclass(frozen=True)
class WrappedDynamics:
    """Dynamics that delegate to ``inner``; a subclass overrides some of the methods."""

    inner: EnergyDynamics

    @property
    def changes_after(self) -> int:
        return self.inner.changes_after

    @property
    def live(self) -> bool:
        return self.inner.live

    @property
    def may_grow(self) -> bool:
        return self.inner.may_grow

    def update(self, state: State, layer: int) -> Tensor:
        return self.inner.update(state, layer)

    def moved(self, layer: int) -> None:
        self.inner.moved(layer)

    def change(self, state: State) -> None:
        self.inner.change(state)

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        return self.inner.admissible(layer, s)

    def routings(self, state: State) -> Routings:
        return self.inner.routings(state)

    def select(self, rows: Tensor) -> Self:
        return replace(self, inner=self.inner.select(rows))


class EnergyGradient(NamedTuple):
    """Derivatives with respect to weights, by name, and to drives, (B, *drive shape) each."""

    weights: dict[str, Tensor]
    drives: list[Tensor]


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Inner product per sample: (B, ...) and (B, ...) to (B,)."""
    return (a * b).flatten(1).sum(1)


def per_sample(weights: Tensor, like: Tensor) -> Tensor:
    """(B,) weights, shaped to multiply a tensor (B, ...)."""
    return weights.view(-1, *[1] * (like.dim() - 1))


def difference(states: Sequence[Tensor], scales: Sequence[Tensor]) -> Tensor:
    """``sum of scales[k] * states[k]``, by differences; the scales, (B,) each, sum to zero.

    Raises:
        ValueError: fewer than two states.
    """
    if len(states) < 2:
        raise ValueError("a contrast needs two states")
    last, total = states[-1], None
    for state, scale in zip(states[:-1], scales[:-1], strict=True):
        part = (state - last).mul_(per_sample(scale, last))
        total = part if total is None else total.add_(part)
    assert total is not None
    return total


class BoundEnergy(ABC):
    """One energy at fixed weights and drives.

    Attributes:
        layers: the layers of the energy.
        drives: (B, *drive shape) each; there is at least one.
        weights: by name.
    """

    layers: tuple[Layer, ...]
    drives: tuple[Tensor, ...]
    weights: Weights

    @property
    def layer_weights(self) -> tuple[float, ...] | None:
        """The w of ``E = sum w_i G_i - phi``; None where no energy exists."""
        return (1.0,) * len(self.layers)

    @abstractmethod
    def repeated(self, copies: int) -> BoundEnergy:
        """The same energy for a batch with every sample ``copies`` times, copy after copy."""

    def complex(self) -> BoundEnergy:
        """The same energy as a holomorphic function of complex states, at the same real drives.

        Its dynamics take complex states, and its :meth:`contrast` gives the real part.

        Raises:
            ValueError: the energy is not holomorphic, or not known to be.
        """
        raise ValueError(f"{type(self).__name__} is not known to be holomorphic")

    @abstractmethod
    def differentiable(self) -> BoundEnergy:
        """The same energy at drives and weights that are leaves requiring a gradient.

        Autograd records what its dynamics compute.
        """

    @abstractmethod
    def dynamics(
        self,
        force: Force | None = None,
        routings: Routings | None = None,
        *,
        freeze_after: int = -1,
        from_zero: bool = False,
    ) -> EnergyDynamics:
        """The update rule ``s_i <- sigma_i(v_i + force_i)``.

        Args:
            force: acts on the pre-activations.
            routings: routings that are kept from the start.
            freeze_after: number of sweeps after which routings are kept; -1: never.
            from_zero: the relaxation starts at the zero state.
        """

    @abstractmethod
    def adjoint(
        self, state: State, cotangent: Sequence[Tensor | None], routings: Routings
    ) -> Dynamics:
        """The update rule ``w_i <- D_i (c_i + (J^T w)_i)``, linearised at an equilibrium.

        ``D`` is sigma' at the equilibrium's pre-activations v, ``J = dv/ds`` there (the Hessian
        of phi where all layer weights are 1) and ``c`` the cotangent. Its fixed point
        ``D (I - J^T D)^-1 c`` is, where J is symmetric, the response of the equilibrium to a
        nudge. It must start at zero, without gradients enabled.
        """

    def displaced(self, state: State, force: Force | None, routings: Routings) -> EnergyDynamics:
        """The update rule ``s_i <- sigma_i(v_i + (J^T (s - state))_i + force_i)``.

        ``v`` are the pre-activations at ``state``, a free state, and ``J = dv/ds`` there, so that
        the displacement from it is that of :meth:`adjoint` to first order in the force. It must
        start at ``state``, without gradients enabled.

        Raises:
            NotImplementedError: this kind of energy has no such dynamics.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot relax displacements transposed")

    @abstractmethod
    def contrast(
        self, states: Sequence[State], scales: Sequence[Tensor], routings: Sequence[Routings]
    ) -> EnergyGradient:
        """``sum over k and samples of scales[k] * d phi(states[k]) / d(weights, drives)``.

        The block must have an energy.
        ``scales`` are (B,) each and add up to zero, as a finite difference's do; of complex
        ones the real parts do, and the last state is real. The drives' gradients are per
        sample. ``routings`` holds the routings at each of the states.
        """

    @abstractmethod
    def response_gradient(
        self, state: State, response: State, scale: Tensor, routings: Routings
    ) -> EnergyGradient:
        """``sum of scale * d/d(weights, drives) <response, v>`` at ``state``."""

    @abstractmethod
    def pre_activation(self, state: State, layer: int, routings: Routings | None = None) -> Tensor:
        """``v = (d phi / d s_layer) / w_layer``, (B, *layer shape)."""

    def routings(self, state: State) -> Routings:
        """The routings of the routed ops at ``state``."""
        return {}

    def quantities(self, state: State) -> dict[str, Tensor]:
        """Physical quantities at an equilibrium for the record, (B,) in SI units, by name."""
        return {}

    def zero_state(self) -> list[Tensor]:
        """The state at which a free phase starts, of the drives' batch, dtype and device."""
        from ffebm_dsl.physics.layout import zeros

        like = self.drives[0]
        return [zeros(like.shape[0], layer.shape, like) for layer in self.layers]
