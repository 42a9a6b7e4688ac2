"""The energy of a Hopfield block: layers, symmetric couplings, one-way drives.

Per sample, with states ``s_i`` and drives ``u_k`` (the outputs of feedforward maps)::

    phi(s, u) = sum over couplings <op(s_a), s_b>  +  sum over drives <u_k, s_j>
    E(s, u)   = sum over layers G_i(s_i)  -  phi(s, u)

(Scellier & Bengio 2017 in the form of Ernoult et al. 2019; with drives: Nest & Ernoult,
arXiv 2409.03306, section 3). The biases of the ops are part of ``op``.

Shapes: a state is a sequence with one tensor per layer, (B, *layer shape); drives are
(B, *shape of the layer that they drive).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.energy.activation import Activation
from ffebm_dsl.physics.energy.coupling import Coupling, PreparedCoupling, Routing
from ffebm_dsl.physics.energy.kernels import zeros
from ffebm_dsl.physics.modules import NamedModules

State = Sequence[Tensor]
Routings = Mapping[int, Routing]
"""The routing of each coupling that has one, by the coupling's index."""


@dataclass(frozen=True)
class Layer:
    """A layer of the analog array: its name, the shape of its state, its activation."""

    name: str
    shape: tuple[int, ...]
    activation: Activation


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Inner product per sample: (B, ...) and (B, ...) to (B,)."""
    return (a * b).flatten(1).sum(1)


class HopfieldEnergy(nn.Module):
    """phi and energy of one block, and the derivatives that estimators need.

    ``couplings`` maps names to couplings whose ends are indices into ``layers``;
    ``driven`` gives, for each drive in order, the index of the layer that it drives.
    """

    def __init__(
        self, layers: Iterable[Layer], couplings: Mapping[str, Coupling], driven: Iterable[int]
    ) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.couplings = NamedModules(couplings)
        self.driven = tuple(driven)

    def zero_state(self, batch: int, like: Tensor) -> list[Tensor]:
        """The state at which a free phase starts: zeros of ``like``'s dtype and device."""
        return [zeros(batch, layer.shape, like) for layer in self.layers]

    def prepared(self, batch: int) -> list[PreparedCoupling]:
        """The couplings at their present weights, for the sweeps of about ``batch`` samples."""
        return [coupling.prepared(batch) for coupling in self.couplings]

    def trainable(self) -> list[nn.Parameter]:
        """The parameters that require a gradient, in the order of the couplings."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def phi(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        """The primitive function, (B,)."""
        total = state[0].new_zeros(len(state[0]))
        for u, i in zip(drives, self.driven, strict=True):
            total = total + inner(u, state[i])
        for coupling in self.couplings:
            total = total + inner(coupling(state[coupling.source])[0], state[coupling.target])
        return total

    def energy(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        """``sum G(s) - phi(s, u)``, (B,)."""
        potentials = [
            layer.activation.potential(s).flatten(1).sum(1)
            for layer, s in zip(self.layers, state, strict=True)
        ]
        return torch.stack(potentials).sum(0) - self.phi(state, drives)

    def routings(self, state: State) -> dict[int, Routing]:
        """The choices of every max pooling at ``state``."""
        return {
            index: coupling(state[coupling.source])[1]
            for index, coupling in enumerate(self.couplings)
            if coupling.routed
        }

    def phi_gradient(
        self, state: State, weights: Tensor, routings: Routings | None = None
    ) -> list[Tensor]:
        """``sum over samples of weights * d phi / d parameter``, as :meth:`trainable`.

        ``weights`` is (B,). With ``routings`` the max poolings are made by them, else by
        the state. Samples of several phases may be stacked along the batch: one pass
        serves them all.
        """
        gradients: list[Tensor] = []
        for index, coupling in enumerate(self.couplings):
            a = state[coupling.source]
            routing = (routings or {}).get(index)
            if routing is None and coupling.routed:
                with torch.no_grad():
                    routing = coupling(a)[1]
            b = _weighted(state[coupling.target], weights)
            gradients += coupling.parameter_gradient(a, b, routing or ())
        return gradients

    def field_gradient(
        self, state: State, direction: State, weights: Tensor, routings: Routings
    ) -> list[Tensor]:
        """``sum of weights * d/d parameter <direction, d phi / d s>``.

        The mixed second derivative that implicit differentiation needs. The direction
        meets each coupling on both sides: as its target and as its source.
        """
        gradients: list[Tensor] = []
        for index, coupling in enumerate(self.couplings):
            a, b = coupling.source, coupling.target
            gradients += coupling.mixed_gradient(
                state[a],
                _weighted(state[b], weights),
                (direction[a], _weighted(direction[b], weights)),
                routings.get(index, ()),
            )
        return gradients


def _weighted(x: Tensor, weights: Tensor) -> Tensor:
    return x * weights.view(-1, *[1] * (x.dim() - 1))
