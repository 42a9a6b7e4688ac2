"""The energy of a resistive block: a circuit of resistors, ideal diodes and sources.

A layer's states are the voltages of its nodes. Every entry of a coupling's weight is the
conductance between two nodes, every entry of a drive's that between a node and a voltage
source, whose voltages are the drive's. Biases are currents into the nodes. Per sample::

    E(s, u) = sum over couplings  1/2 sum_ij g_ij (a_i - b_j)^2
            + sum over drives     1/2 sum_ij g_ij (u_i - s_j)^2  -  sum over layers <b, s>

(Kendall et al. 2020, arXiv 2006.01981; Scellier 2024, arXiv 2402.11674). The circuit rests at
its minimum within the range that diodes leave to each voltage: there the currents into
every node add up to 0 (Kirchhoff), or to what its diode carries.

Written as ``E = sum G(s) - phi(s, u)``, phi is that of a Hopfield block less half
``D s^2``, with the *stiffness* ``D_j = sum_i g_ij`` of each node, the sum of the conductances
on it. ``D`` depends on the weights, so that contrasts have a term for it. A layer without
lateral couplings is minimised exactly, with all other voltages held::

    s_j  <-  clip( (sum_i g_ij n_i + b_j [+ force_j]) / sum_i g_ij ),    n its neighbours

A chain of ops is a matrix of conductances, whose sums over rows and columns are what the
chain and its transpose give for ones. All linear ops without negative entries are therefore
allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from ffebm_dsl.physics.energy.autograd_energy import Slope
from ffebm_dsl.physics.energy.constraints import keep_nonnegative
from ffebm_dsl.physics.energy.dynamics import HopfieldDynamics
from ffebm_dsl.physics.energy.hopfield import BoundHopfield, HopfieldEnergy
from ffebm_dsl.physics.energy.op_chain import BoundChain, Coupling, Drive, OpChain
from ffebm_dsl.physics.interfaces import (
    EnergyGradient,
    Force,
    Layer,
    Routings,
    State,
    Transposed,
    Weights,
    curvature,
    difference,
    inner,
    per_sample,
)
from ffebm_dsl.physics.layout import channels_last


class ResistiveEnergy(HopfieldEnergy):
    """A circuit of layers of nodes; its conductances are kept at or above 0.

    Args:
        layers: in the order of their indices. The ranges of their activations are those to
            which diodes limit the voltages.
        couplings: by name; their weights are conductances between two layers.
        drives: by name; their weights are conductances to voltage sources. One without ops
            joins source and node by a conductance of 1.

    Raises:
        ValueError: an activation does more than clip voltages, or an op is not linear.
    """

    def __init__(
        self,
        layers: Iterable[Layer],
        couplings: Mapping[str, Coupling],
        drives: Mapping[str, Drive],
    ) -> None:
        super().__init__(layers, couplings, drives)
        for layer in self.layers:
            if not (layer.activation.quadratic and layer.activation.slope == 1):
                raise ValueError(
                    f"{layer.activation} of layer {layer.name} is no limit of a voltage: a "
                    "resistive energy takes activations that only cut off, with slope 1"
                )
        if any(coupling.feedback != 1 for coupling in self.couplings):
            raise ValueError(
                "a resistor acts equally in both directions: its coupling has feedback 1"
            )
        if any(coupling.routed or coupling.nonlinear for coupling in self.couplings):
            raise ValueError("the ops of a resistive energy are linear: max pooling is not")
        for chain in self.chains:
            for held in chain.ops:
                for name, _ in held.named_parameters(recurse=False):
                    if name != "bias":
                        keep_nonnegative(held, name, absolute=False)

    @property
    def chains(self) -> list[OpChain]:
        """The chains of couplings, then of drives."""
        return [*self.couplings, *self.drives]

    @property
    def quantities(self) -> tuple[str, ...]:
        return ("dissipated_power", "kirchhoff_residual")

    def phi(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        potentials = [
            layer.activation.potential(s).flatten(1).sum(1)
            for layer, s in zip(self.layers, state, strict=True)
        ]
        sources = super().phi(state, drives)
        return sources + torch.stack(potentials).sum(0) - self._own_terms(state, drives)

    def _own_terms(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        """Half the squared voltages times the conductances on them, (B,)."""
        ends = [(state[c.source], state[c.target]) for c in self.couplings]
        ends += [(u, state[d.layer]) for d, u in zip(self.drives, drives, strict=True)]
        total = state[0].new_zeros(len(state[0]))
        for chain, (a, b) in zip(self.chains, ends, strict=True):
            bound = chain.bound(chain.weights())
            total = total + bound.tangent(a.square(), ()).flatten(1).sum(1)
            total = total + inner(bound.tangent(torch.ones_like(a), ()), b.square())
        return total / 2

    def step(
        self, layer: int, s: Tensor, v: Tensor, state: State, drives: Sequence[Tensor]
    ) -> Tensor:
        weights = {name: w.detach() for name, w in self.weights().items()}
        stiffness = self.bind(drives, weights).stiffness
        return self.layers[layer].activation(s + (v - s) / stiffness[layer])

    def bind(
        self,
        drives: Sequence[Tensor],
        weights: Weights,
        *,
        graph: bool = False,
        transposed: Transposed | None = None,
    ) -> BoundResistive:
        if transposed is not None:
            raise ValueError("a resistor conducts equally in both directions")
        return BoundResistive(self, drives, weights, graph=graph)


class BoundResistive(BoundHopfield):
    """A resistive energy at fixed conductances and source voltages.

    ``stiffness`` is the sum of the conductances on each node of each layer, (1, *layer shape).
    A node without conductances stays at 0 volt as long as no current flows into it.
    """

    def _fields(self) -> dict[int, Tensor]:
        """The currents from sources and biases into the nodes of each driven layer at 0 volt."""
        fields: dict[int, Tensor] = {}
        like = self.drives[0]
        total = {i: like.new_zeros(1, *layer.shape) for i, layer in enumerate(self.layers)}
        for chain, i, u in zip(self.drive_chains, self.driven, self.drives, strict=True):
            # One pass over the conductances serves both.
            both = chain.tangent(torch.cat([u, torch.ones_like(u[:1])]), ())
            total[i] = total[i] + both[-1:]
            v, offset = both[:-1], chain.offset()
            v = v if offset is None else v + offset
            v = v if self.graph else channels_last(v)
            fields[i] = fields[i] + v if i in fields else v
        for (chain, _), (a, b) in zip(self.couplings, self.ends, strict=True):
            total[b] = total[b] + chain.tangent(self._ones(a), ())
            total[a] = total[a] + chain.adjoint(self._ones(b), ())
        least = torch.finfo(like.dtype).tiny
        self.stiffness = [total[i].clamp_min(least) for i in range(len(self.layers))]
        return fields

    def _ones(self, layer: int) -> Tensor:
        return self.drives[0].new_ones(1, *self.layers[layer].shape)

    def dynamics(
        self,
        force: Force | None = None,
        routings: Routings | None = None,
        *,
        freeze_after: int = -1,
        from_zero: bool = False,
    ) -> ResistiveDynamics:
        return ResistiveDynamics(self, force, from_zero=from_zero)

    def displaced(self, state: State, force: Force | None, routings: Routings) -> ResistiveDynamics:
        """The dynamics themselves: the derivative of linear, symmetric couplings is the same at
        every state, and its own transpose."""
        return self.dynamics(force)

    def pre_activation(self, state: State, layer: int, routings: Routings | None = None) -> Tensor:
        s = state[layer]
        return self.current(state, layer) - self.stiffness[layer] * s + s

    def current(self, state: State, layer: int) -> Tensor:
        """The currents into the nodes of a layer if they were at 0 volt."""
        return self.dynamics().pre_activation(state, layer)

    def kirchhoff_residual(self, state: State) -> Tensor:
        """The largest current into a node that its diode does not carry, (B,); 0 at rest.

        Inside its range a node counts with the whole current into it, but with no more than would
        bring it to the end of the range.
        """
        largest = []
        for i, (layer, s) in enumerate(zip(self.layers, state, strict=True)):
            stiffness = self.stiffness[i]
            moved = layer.activation.project(self.current(state, i) / stiffness)
            largest.append(((moved - s) * stiffness).flatten(1).abs().amax(1))
        return torch.stack(largest).amax(0)

    def dissipated_power(self, state: State) -> Tensor:
        """``sum of g_ij (a_i - b_j)^2`` over all resistors, (B,)."""
        pairs = [(state[a], state[b]) for a, b in self.ends]
        pairs += [(u, state[i]) for u, i in zip(self.drives, self.driven, strict=True)]
        powers = [
            (stiffness * s.square()).flatten(1).sum(1)
            for stiffness, s in zip(self.stiffness, state, strict=True)
        ]
        chains = [*(there for there, _ in self.couplings), *self.drive_chains]
        for chain, (a, b) in zip(chains, pairs, strict=True):
            powers.append(-2 * inner(chain.tangent(a, ()), b))
        for chain, u in zip(self.drive_chains, self.drives, strict=True):
            powers.append(chain.tangent(u.square(), ()).flatten(1).sum(1))
        return torch.stack(powers).sum(0)

    def quantities(self, state: State) -> dict[str, Tensor]:
        return {
            "dissipated_power": self.dissipated_power(state),
            "kirchhoff_residual": self.kirchhoff_residual(state),
        }

    def complex(self) -> BoundHopfield:
        """Voltages are real, and diodes have kinks.

        Raises:
            ValueError: always.
        """
        raise ValueError("a circuit of conductances and diodes has no complex phases")

    def slope(self, state: State, layer: int, routings: Routings) -> Slope:
        stiffness = self.stiffness[layer]
        activation = self.layers[layer].activation
        slope = activation.derivative(self.current(state, layer) / stiffness)
        return Slope(slope / stiffness)

    def contrast(
        self, states: Sequence[State], scales: Sequence[Tensor], routings: Sequence[Routings]
    ) -> EnergyGradient:
        stacked = [torch.cat(layer) for layer in zip(*states, strict=True)]
        weights = torch.cat(list(scales))
        moved, squares = [], []
        for s, parts in zip(stacked, zip(*states, strict=True), strict=True):
            moved.append(s * per_sample(weights, s))
            squares.append(_contrast_of_squares(parts, scales) / 2)
        gradients: dict[str, Tensor] = {}
        for name, chain, (a, b) in self._coupled():
            rows = torch.cat([self._ones(a), squares[a]])
            back = torch.cat([-squares[b], -self._ones(b)])
            found = chain.mixed_gradient(stacked[a], back, (rows, moved[b]), ())
            gradients |= {f"{name}.{key}": g for key, g in found.items()}
        drives = {i: difference([s[i] for s in states], scales) for i in self.driven}
        return self._driven(gradients, drives, squares)

    def response_gradient(
        self, state: State, response: State, scale: Tensor, routings: Routings
    ) -> EnergyGradient:
        moved = [w * per_sample(scale, w) for w in response]
        squares = [(s * w).sum(0, keepdim=True) for s, w in zip(state, moved, strict=True)]
        gradients: dict[str, Tensor] = {}
        for name, chain, (a, b) in self._coupled():
            rows = torch.cat([response[a], self._ones(a), squares[a]])
            scaled = state[b] * per_sample(scale, state[b])
            back = torch.cat([scaled, -squares[b], -self._ones(b)])
            found = chain.mixed_gradient(state[a], back, (rows, moved[b]), ())
            gradients |= {f"{name}.{key}": g for key, g in found.items()}
        return self._driven(gradients, {i: moved[i] for i in self.driven}, squares)

    def _coupled(self) -> Iterable[tuple[str, BoundChain, tuple[int, int]]]:
        chains = [there for there, _ in self.couplings]
        return zip(self.energy.couplings.names(), chains, self.ends, strict=True)

    def _driven(
        self, gradients: dict[str, Tensor], moved: Mapping[int, Tensor], squares: Sequence[Tensor]
    ) -> EnergyGradient:
        """The gradient with the drives' part; the sources' own squares contrast to nothing."""
        drives = []
        parts = zip(
            self.energy.drives.names(), self.drive_chains, self.driven, self.drives, strict=True
        )
        for name, chain, i, u in parts:
            found = chain.mixed_gradient(u, -squares[i], (torch.ones_like(u[:1]), moved[i]), ())
            gradients |= {f"{name}.{key}": g for key, g in found.items()}
            drives.append(chain.adjoint(moved[i], ()))
        return EnergyGradient(gradients, drives)


def _contrast_of_squares(states: Sequence[Tensor], scales: Sequence[Tensor]) -> Tensor:
    """``sum over k and samples of scales[k] * states[k]^2``, (1, *layer shape).

    From differences: the scales add up to zero.
    """
    last = states[-1]
    parts = [
        ((s - last) * (s + last) * per_sample(scale, s)).sum(0, keepdim=True)
        for s, scale in zip(states[:-1], scales[:-1], strict=True)
    ]
    return torch.stack(parts).sum(0)


class ResistiveDynamics(HopfieldDynamics):
    """``s_i <- clip(I_i / D_i)``: the current into the nodes at 0 volt, by their stiffness.

    Under a force with a known curvature, such as that of a squared error, a layer still goes
    to its minimum, wherever there is one.
    """

    def __init__(
        self, bound: BoundResistive, force: Force | None = None, *, from_zero: bool = False
    ) -> None:
        super().__init__(bound, force, from_zero=from_zero)
        self._stiffness = bound.stiffness
        self._extra = self._nudged()

    def update(self, state: State, layer: int) -> Tensor:
        activation, stiffness = self.layers[layer].activation, self._stiffness[layer]
        with self._grad_mode():
            v, own = self._pre_activation(state, layer)
            if layer in self._extra:
                extra = self._extra[layer]
                v, own, stiffness = v + extra * state[layer], True, stiffness + extra
            if self._graph:
                return activation(v / stiffness)
            return activation.overwrite(v.div_(stiffness) if own else v / stiffness)

    def select(self, rows: Tensor) -> ResistiveDynamics:
        part = super().select(rows)
        assert isinstance(part, ResistiveDynamics)
        part._extra = part._nudged()
        return part

    def _nudged(self) -> dict[int, Tensor]:
        """The curvature of the force by layer, where there is a minimum under it; else 0."""
        extra: dict[int, Tensor] = {}
        for layer, stiffness in enumerate(self._stiffness):
            found = curvature(self.force, layer)
            if found is not None:
                found = per_sample(found, stiffness)
                extra[layer] = torch.where(stiffness + found > 0, found, 0.0)
        return extra
