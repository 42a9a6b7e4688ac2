"""The energy of coupled oscillators: layers of angles, couplings by cosines.

Per sample, with angles ``s`` of the layers and drives ``u``::

    E(s, u) = - sum over couplings of sum_ij J_ij cos(a_i - b_j)
              - sum over drives and biases of sum_j h_j cos(s_j)
              - 1/2 sum over layers of K sum_j cos(2 s_j)

(oscillator Ising machines: Wang and Roychowdhury 2019, arXiv 1903.07163; trained by EP: Gower
2025, arXiv 2505.02103). Ops are linear and act on cosines and on sines alike.

phi is ``-E`` plus half the square of every angle, which is the potential of a layer of angles.
With all others held, the energy of an oscillator is ``-A cos(s - a) - K/2 cos(2 s)`` for some
A and a. Its second derivative is at most the *stiffness* ``D = A + 2 |K|``, so that the update::

    s  <-  s - w (dE/ds) / D

never raises the energy of a layer whose oscillators are not coupled to each other, for any w
below 2, and needs no step size. Plain sweeps have w = 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from ffebm_dsl.physics.energy.autograd_energy import AutogradEnergy, stepped
from ffebm_dsl.physics.energy.energy import Energy
from ffebm_dsl.physics.energy.op_chain import (
    BoundChain,
    Coupling,
    Drive,
    OpChain,
    acceleration,
)
from ffebm_dsl.physics.interfaces import (
    Acceleration,
    Layer,
    Routings,
    State,
    Transposed,
    Weights,
    inner,
)
from ffebm_dsl.physics.modules import NamedModules

C = TypeVar("C", bound=OpChain)


class OscillatorEnergy(Energy):
    """The energy of coupled oscillators.

    Args:
        layers: of angles; the attribute ``harmonic`` of their activations is K.
        couplings: by name; their ends are indices of layers.
        drives: by name, in the order in which the block is given their tensors.
    """

    def __init__(
        self,
        layers: Iterable[Layer],
        couplings: Mapping[str, Coupling],
        drives: Mapping[str, Drive],
    ) -> None:
        super().__init__(layers)
        self.couplings = NamedModules(couplings)
        self.drives = NamedModules(drives)

    def weights(self) -> dict[str, Tensor]:
        """Weights by name; tied ones under every name."""
        return {
            f"{group}.{name}.ops.{key}": weight
            for group, chains in (("couplings", self.couplings), ("drives", self.drives))
            for name, chain in zip(chains.names(), chains, strict=True)
            for key, weight in chain.weights().items()
        }

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        couplings = ((coupling.source, coupling.target) for coupling in self.couplings)
        # A step starts at the old angle.
        return (*couplings, *((layer, layer) for layer in range(len(self.layers))))

    @property
    def acceleration(self) -> Acceleration | None:
        return acceleration(self.couplings, stepwise=True)

    def phi(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        total = state[0].new_zeros(len(state[0]))
        for layer, s in zip(self.layers, state, strict=True):
            harmonic: float = getattr(layer.activation, "harmonic", 0.0)
            total = total + inner(s, s) / 2
            if harmonic:
                total = total + harmonic / 2 * (2 * s).cos().flatten(1).sum(1)
        for drive, u in zip(self.drives, drives, strict=True):
            total = total + inner(drive(u), state[drive.layer].cos())
        for coupling in self.couplings:
            a, b = state[coupling.source], state[coupling.target]
            along = coupling.bound(coupling.weights())
            total = total + inner(along.forward(a.cos())[0], b.cos())
            total = total + inner(along.tangent(a.sin(), ()), b.sin())
        return total

    def step(
        self, layer: int, s: Tensor, v: Tensor, state: State, drives: Sequence[Tensor]
    ) -> Tensor:
        weights = {name: w.detach() for name, w in self.weights().items()}
        bound = self.bind(drives, weights)
        return stepped(s, v, bound.pre_activation_and_stiffness(state, layer)[1])

    def bind(
        self,
        drives: Sequence[Tensor],
        weights: Weights,
        *,
        graph: bool = False,
        transposed: Transposed | None = None,
    ) -> BoundOscillator:
        if transposed is not None:
            raise ValueError("oscillators have one weight for both directions of a coupling")
        return BoundOscillator(self, drives, weights, graph=graph)


class BoundOscillator(AutogradEnergy):
    """Coupled oscillators at fixed weights and drives, the force on each layer in closed form."""

    _energy: OscillatorEnergy

    def pre_activation(self, state: State, layer: int, routings: Routings | None = None) -> Tensor:
        return self.pre_activation_and_stiffness(state, layer)[0]

    def pre_activation_and_stiffness(self, state: State, layer: int) -> tuple[Tensor, Tensor]:
        with torch.set_grad_enabled(self.graph and torch.is_grad_enabled()):
            s = state[layer]
            fields = [self._fields[layer]] if layer in self._fields else []
            # What the layer's cosines and its sines meet.
            met, opposed = fields, list[Tensor]()
            for chain, coupling in zip(self._chains, self._energy.couplings, strict=True):
                if coupling.target == layer:
                    met = [*met, chain.forward(state[coupling.source].cos())[0]]
                    opposed.append(chain.tangent(state[coupling.source].sin(), ()))
                if coupling.source == layer:
                    met = [*met, chain.adjoint(state[coupling.target].cos(), ())]
                    opposed.append(chain.adjoint(state[coupling.target].sin(), ()))
            along, across = _total(met, s), _total(opposed, s)
            v = s + s.cos() * across - s.sin() * along
            # An oscillator that nothing pulls keeps its angle.
            least = torch.finfo(s.dtype).tiny
            stiffness = (along.square() + across.square()).clamp_min(least).sqrt()
            harmonic: float = getattr(self.layers[layer].activation, "harmonic", 0.0)
            if harmonic:
                v, stiffness = v - harmonic * (2 * s).sin(), stiffness + 2 * abs(harmonic)
            return v, stiffness

    @cached_property
    def _chains(self) -> list[BoundChain]:
        return self._bound("couplings", self._energy.couplings)

    @cached_property
    def _fields(self) -> dict[int, Tensor]:
        """The sum of the drives' contributions to each driven layer."""
        fields: dict[int, Tensor] = {}
        chains = self._bound("drives", self._energy.drives)
        for chain, drive, u in zip(chains, self._energy.drives, self.drives, strict=True):
            v = chain.forward(u)[0]
            fields[drive.layer] = fields[drive.layer] + v if drive.layer in fields else v
        return fields

    def _bound(self, group: str, modules: NamedModules[C]) -> list[BoundChain]:
        """The chains of a group of modules with the bound weights."""
        chains = []
        for name, chain in zip(modules.names(), modules, strict=True):
            prefix = f"{group}.{name}.ops."
            own = {k.removeprefix(prefix): w for k, w in self.weights.items() if prefix in k}
            chains.append(chain.bound(own))
        return chains

    def zero_state(self) -> list[Tensor]:
        """All angles at pi/2, midway between the two that a second harmonic favours."""
        return [torch.full_like(s, math.pi / 2) for s in super().zero_state()]


def _total(terms: Sequence[Tensor], like: Tensor) -> Tensor:
    return sum(terms[1:], start=terms[0]) if terms else torch.zeros_like(like)
