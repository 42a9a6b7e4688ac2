"""An energy at fixed weights and drives: what relaxations and estimators work with.

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
    """What is added to the pre-activation of some layers: a nudge, noise, an offset."""

    def onto(self, v: Tensor, layer: int, state: State, *, overwrite: bool) -> Tensor:
        """``v``, (B, *layer shape), plus the force on that layer at ``state``.

        With ``overwrite`` in the memory of ``v``; ``v`` itself where there is no force.
        """

    def select(self, rows: Tensor) -> Force:
        """The force on these samples alone."""


@runtime_checkable
class Restoring(Protocol):
    """A force on layers that falls in proportion to the layer's own state."""

    def curvature(self, layer: int) -> Tensor | None:
        """By how much the force falls per unit of every entry of the layer's state, (B,).

        None where it does not, or not by the same at every state. An energy with minima in
        closed form so finds the one under the force in one update.
        """


@dataclass(frozen=True)
class Forces:
    """The sum of several forces, in their order."""

    parts: tuple[Force, ...]

    def onto(self, v: Tensor, layer: int, state: State, *, overwrite: bool) -> Tensor:
        for part in self.parts:
            total = part.onto(v, layer, state, overwrite=overwrite)
            v, overwrite = total, overwrite or total is not v
        return v

    def select(self, rows: Tensor) -> Forces:
        return Forces(tuple(part.select(rows) for part in self.parts))


def summands(force: Force | None) -> tuple[Force, ...]:
    """The forces whose sum ``force`` is, in their order."""
    if force is None:
        return ()
    return force.parts if isinstance(force, Forces) else (force,)


def curvature(force: Force | None, layer: int) -> Tensor | None:
    """By how much a force, or the sum of its parts, falls per unit of the layer's state, (B,)."""
    acting: tuple[object, ...] = summands(force)
    known = [part.curvature(layer) for part in acting if isinstance(part, Restoring)]
    found = [each for each in known if each is not None]
    return sum(found[1:], start=found[0]) if found else None


def together(*forces: Force | None) -> Force | None:
    """What acts when all of these do."""
    given = tuple(force for force in forces if force is not None)
    return Forces(given) if len(given) > 1 else next(iter(given), None)


class EnergyDynamics(Dynamics, Protocol):
    """An update rule of a block's state."""

    def routings(self, state: State) -> Routings:
        """The choices of routed ops at ``state``, or the ones that are kept; none without such."""

    def select(self, rows: Tensor) -> EnergyDynamics:
        """The dynamics of the samples ``rows`` (indices into the batch) alone."""


@dataclass(frozen=True)
class WrappedDynamics:
    """The dynamics ``inner``; a subclass changes some of what they do."""

    inner: EnergyDynamics

    @property
    def changes_after(self) -> int:
        return self.inner.changes_after

    @property
    def live(self) -> bool:
        return self.inner.live

    @property
    def periodic(self) -> bool:
        return self.inner.periodic

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
    """Derivatives by weights, under their names, and by drives, (B, *drive shape) each."""

    weights: dict[str, Tensor]
    drives: list[Tensor]


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Inner product per sample: (B, ...) and (B, ...) to (B,)."""
    return (a * b).flatten(1).sum(1)


def per_sample(weights: Tensor, like: Tensor) -> Tensor:
    """(B,) weights, shaped to multiply a tensor (B, ...)."""
    return weights.view(-1, *[1] * (like.dim() - 1))


def difference(states: Sequence[Tensor], scales: Sequence[Tensor]) -> Tensor:
    """``sum of scales[k] * states[k]`` by differences: the scales, (B,) each, add up to zero.

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
        layers: of the energy.
        drives: (B, *drive shape) each, at least one.
        weights: by name.
    """

    layers: tuple[Layer, ...]
    drives: tuple[Tensor, ...]
    weights: Weights

    @property
    def layer_weights(self) -> tuple[float, ...] | None:
        """w of ``E = sum w_i G_i - phi``; None where the pre-activations derive from no energy."""
        return (1.0,) * len(self.layers)

    @abstractmethod
    def repeated(self, copies: int) -> BoundEnergy:
        """The same for a batch of ``copies`` times the samples, one copy after the other."""

    def complex(self) -> BoundEnergy:
        """The same as a holomorphic function of complex states, at the same real drives.

        Its dynamics take complex states, and its :meth:`contrast` gives the real part.

        Raises:
            ValueError: it is none, or is not known to be one.
        """
        raise ValueError(f"{type(self).__name__} is not known to be holomorphic")

    @abstractmethod
    def differentiable(self) -> BoundEnergy:
        """The same at drives and weights that are leaves requiring a gradient.

        What its dynamics compute is recorded for autograd.
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
            routings: choices of routed ops, kept from the start.
            freeze_after: keep the choices made after so many sweeps; -1: never.
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
            NotImplementedError: this kind of energy has none.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot relax displacements transposed")

    @abstractmethod
    def contrast(
        self, states: Sequence[State], scales: Sequence[Tensor], routings: Sequence[Routings]
    ) -> EnergyGradient:
        """``sum over k and samples of scales[k] * d phi(states[k]) / d(weights, drives)``.

        There must be a phi.
        ``scales`` are (B,) each and add up to zero, as a finite difference's do; of complex
        ones the real parts do, and the last state is real. The drives' gradients are per
        sample. ``routings`` gives the choices of routed ops by state.
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
        """The choices of routed ops at ``state``; none without such ops."""
        return {}

    def quantities(self, state: State) -> dict[str, Tensor]:
        """What a record holds of equilibria beside the relaxation: (B,) in SI units, by name."""
        return {}

    def zero_state(self) -> list[Tensor]:
        """The state at which a free phase starts, of the drives' batch, dtype and device."""
        from ffebm_dsl.physics.layout import zeros

        like = self.drives[0]
        return [zeros(like.shape[0], layer.shape, like) for layer in self.layers]
