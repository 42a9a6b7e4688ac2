"""The energy of a Hopfield block: layers, couplings, one-way drives.

Per sample, with states ``s_i`` and drives ``u_k`` (the outputs of feedforward maps)::

    phi(s, u) = sum over couplings w_b <op(s_a), s_b>  +  sum over drives w_j <op(u_k), s_j>
                + sum over terms w_i phi_t(s_i)
    E(s, u)   = sum over layers w_i G_i(s_i)  -  phi(s, u)

(Scellier & Bengio 2017 in the form of Ernoult et al. 2019; with drives: Nest & Ernoult,
arXiv 2409.03306, section 3). The biases of the ops are part of ``op``; most drives have no
ops. The layer weights w are 1 where couplings are symmetric; with feedback k from b to a,
``w_b = k w_a``. If the way back of a coupling has weights of its own, there is no phi and no E,
only pre-activations, whose fixed point a relaxation finds as well.

Shapes: a state is a sequence with one tensor per layer, (B, *layer shape).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from ffebm_dsl.physics.energy.autograd_energy import Slope
from ffebm_dsl.physics.energy.dynamics import AdjointDynamics, DisplacedDynamics, HopfieldDynamics
from ffebm_dsl.physics.energy.energy import Energy
from ffebm_dsl.physics.energy.op_chain import Coupling, Drive, Pair, acceleration
from ffebm_dsl.physics.energy.terms import BoundTerm, LayerTerm, step_sizes
from ffebm_dsl.physics.energy.weights import BACKWARD
from ffebm_dsl.physics.interfaces import (
    Acceleration,
    BoundEnergy,
    Cycle,
    EnergyDynamics,
    EnergyGradient,
    Force,
    Layer,
    Routing,
    Routings,
    State,
    Transposed,
    Weights,
    difference,
    inner,
    layer_weights,
    per_sample,
)
from ffebm_dsl.physics.layout import channels_last
from ffebm_dsl.physics.modules import NamedModules


class HopfieldEnergy(Energy):
    """An energy of couplings, drives and terms, with closed forms of its derivatives.

    Args:
        layers: in the order of their indices.
        couplings: by name; their ends are indices of layers.
        drives: by name, in the order in which the block is given their tensors.
        terms: by name, of one layer each.

    Raises:
        ValueError: the feedback factors rule out an energy; the message names the cycle.
    """

    def __init__(
        self,
        layers: Iterable[Layer],
        couplings: Mapping[str, Coupling],
        drives: Mapping[str, Drive],
        terms: Mapping[str, LayerTerm] | None = None,
    ) -> None:
        super().__init__(layers)
        self.couplings = NamedModules(couplings)
        self.drives = NamedModules(drives)
        self.terms = NamedModules(terms or {})
        self._layer_weights = _layer_weights(self.layers, list(couplings.values()))

    @property
    def layer_weights(self) -> tuple[float, ...] | None:
        return self._layer_weights

    @property
    def routed(self) -> bool:
        return any(coupling.routed for coupling in self.couplings)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        selves = [c.source for c in self.couplings if c.nonlinear] + [t.layer for t in self.terms]
        return (*((c.source, c.target) for c in self.couplings), *zip(selves, selves, strict=True))

    @property
    def acceleration(self) -> Acceleration | None:
        return acceleration(self.couplings, stepwise=len(self.terms) > 0)

    @property
    def drive_shapes(self) -> tuple[tuple[int, ...], ...]:
        first_ops = [next(iter(drive.ops), None) for drive in self.drives]
        return tuple(
            self.layers[drive.layer].shape if first is None else first.op.in_shape
            for drive, first in zip(self.drives, first_ops, strict=True)
        )

    def weights(self) -> dict[str, Tensor]:
        """Weights by name (``s1_s2.conv2d.weight``); parametrised and pruned ones as applied."""
        return {
            f"{name}.{key}": weight
            for group in (self.couplings, self.drives)
            for name, chain in zip(group.names(), group, strict=True)
            for key, weight in chain.weights().items()
        } | {
            f"{name}.{key}": weight
            for name, term in zip(self.terms.names(), self.terms, strict=True)
            for key, weight in term().items()
        }

    def steps(self) -> dict[int, float]:
        """The step of an update towards ``sigma(v)``, for each layer with terms."""
        bound = [
            BoundTerm(name, term, term())
            for name, term in zip(self.terms.names(), self.terms, strict=True)
        ]
        return step_sizes(self.layers, bound)

    def fix_steps(self) -> None:
        for term in self.terms:
            term.fix_curvature()

    def step(
        self, layer: int, s: Tensor, v: Tensor, state: State, drives: Sequence[Tensor]
    ) -> Tensor:
        new = super().step(layer, s, v, state, drives)
        return s.lerp(new, self.steps()[layer]) if layer in self.steps() else new

    def phi(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        total, weights = state[0].new_zeros(len(state[0])), self.require_layer_weights()
        for drive, u in zip(self.drives, drives, strict=True):
            total = total + weights[drive.layer] * inner(drive(u), state[drive.layer])
        for c in self.couplings:
            total = total + weights[c.target] * inner(c(state[c.source]), state[c.target])
        for term in self.terms:
            total = total + weights[term.layer] * term.phi(state[term.layer])
        return total

    def field(self, state: State, drives: Sequence[Tensor]) -> list[Tensor]:
        if self.layer_weights is not None:
            return super().field(state, drives)
        v = [torch.zeros_like(s) for s in state]
        for drive, u in zip(self.drives, drives, strict=True):
            v[drive.layer] = v[drive.layer] + drive(u)
        for c in self.couplings:
            a, b = state[c.source], state[c.target]
            v[c.target] = v[c.target] + c(a)
            v[c.source] = v[c.source] + c.back(a, b)
        for term in self.terms:
            v[term.layer] = v[term.layer] + term.term.force(state[term.layer], term())
        return v

    def bind(
        self,
        drives: Sequence[Tensor],
        weights: Weights,
        *,
        graph: bool = False,
        transposed: Transposed | None = None,
    ) -> BoundHopfield:
        return BoundHopfield(self, drives, weights, graph=graph, transposed=transposed)


class BoundHopfield(BoundEnergy):
    """A Hopfield energy at fixed weights and drives.

    Without a graph the weights of couplings are packed, and the contributions of drives computed,
    once for all phases.
    """

    def __init__(
        self,
        energy: HopfieldEnergy,
        drives: Sequence[Tensor],
        weights: Weights,
        *,
        graph: bool,
        transposed: Transposed | None = None,
    ) -> None:
        self.energy, self.graph, self._transposed = energy, graph, transposed
        self.layers, self.drives, self.weights = energy.layers, tuple(drives), weights
        batch = None if graph else len(drives[0])
        self.couplings = []
        for name, c in zip(energy.couplings.names(), energy.couplings, strict=True):
            own = _of(weights, name)
            there = back = c.bound(own, batch)
            if transposed is not None:
                back = c.bound({k: transposed(f"{name}.{k}", w) for k, w in own.items()}, batch)
            self.couplings.append(Pair(there, c.bound_back(own, back, batch)))
        self.drive_chains = [
            d.bound(_of(weights, name))
            for name, d in zip(energy.drives.names(), energy.drives, strict=True)
        ]
        self.ends = [(c.source, c.target) for c in energy.couplings]
        self.driven = [d.layer for d in energy.drives]
        self.fields = self._fields()
        self.terms = [
            BoundTerm(name, term, _of(weights, name))
            for name, term in zip(energy.terms.names(), energy.terms, strict=True)
        ]
        self.steps = step_sizes(self.layers, self.terms)

    def _fields(self) -> dict[int, Tensor]:
        """The sum of the drives' contributions to each driven layer, (B, *layer shape)."""
        fields: dict[int, Tensor] = {}
        for chain, i, u in zip(self.drive_chains, self.driven, self.drives, strict=True):
            v = chain.forward(u)[0]
            v = v if self.graph else channels_last(v)
            fields[i] = fields[i] + v if i in fields else v
        return fields

    def repeated(self, copies: int) -> BoundHopfield:
        other = copy.copy(self)
        other.drives = tuple(torch.cat([u] * copies) for u in self.drives)
        other.fields = {i: torch.cat([v] * copies) for i, v in self.fields.items()}
        return other

    def complex(self) -> BoundHopfield:
        for layer in self.layers:
            if not layer.activation.holomorphic:
                kind = type(layer.activation).__name__
                raise ValueError(f"layer {layer.name}: {kind} is not holomorphic")
        if self.terms:
            raise ValueError(f"the term {self.terms[0].name} takes no complex states")
        other = copy.copy(self)
        other.couplings = [pair.complex() for pair in self.couplings]
        other.fields = {i: v.to(v.dtype.to_complex()) for i, v in self.fields.items()}
        return other

    def differentiable(self) -> BoundHopfield:
        drives = [u.detach().requires_grad_() for u in self.drives]
        weights = {k: w.detach().requires_grad_() for k, w in self.weights.items()}
        with torch.enable_grad():
            if self._transposed is None:
                return type(self)(self.energy, drives, weights, graph=True)
            return type(self)(self.energy, drives, weights, graph=True, transposed=self._transposed)

    @property
    def layer_weights(self) -> tuple[float, ...] | None:
        return self.energy.layer_weights

    def pairs(self) -> list[Pair]:
        """The couplings for one phase, with buffers of their own."""
        return self.couplings if self.graph else [pair.reused() for pair in self.couplings]

    def dynamics(
        self,
        force: Force | None = None,
        routings: Routings | None = None,
        *,
        freeze_after: int = -1,
        from_zero: bool = False,
    ) -> HopfieldDynamics:
        return HopfieldDynamics(
            self, force, routings, freeze_after=freeze_after, from_zero=from_zero
        )

    def adjoint(
        self, state: State, cotangent: Sequence[Tensor | None], routings: Routings
    ) -> AdjointDynamics:
        return AdjointDynamics(self, state, cotangent, routings)

    def displaced(self, state: State, force: Force | None, routings: Routings) -> EnergyDynamics:
        return DisplacedDynamics(self, state, force, routings)

    def pre_activation(self, state: State, layer: int, routings: Routings | None = None) -> Tensor:
        return self.dynamics(routings=routings).pre_activation(state, layer)

    def slope(self, state: State, layer: int, routings: Routings) -> Slope:
        """The derivative of a layer's updated state by the force on it."""
        v = self.pre_activation(state, layer, routings)
        return Slope.of(self.layers[layer].activation, v)

    def routings(self, state: State) -> Routings:
        with torch.no_grad():
            return {
                k: there.routing(there.forward(state[source])[1])
                for k, ((there, _), (source, _)) in enumerate(
                    zip(self.couplings, self.ends, strict=True)
                )
                if there.routed
            }

    def contrast(
        self, states: Sequence[State], scales: Sequence[Tensor], routings: Sequence[Routings]
    ) -> EnergyGradient:
        # One pass over the batches of all states serves every coupling.
        stacked = [torch.cat(layer) for layer in zip(*states, strict=True)]
        scale, names = torch.cat(list(scales)), self.energy.couplings.names()
        of_layer = self.energy.require_layer_weights()
        gradients: dict[str, Tensor] = {}
        for k, ((there, _), (source, target)) in enumerate(
            zip(self.couplings, self.ends, strict=True)
        ):
            routing = (
                tuple(torch.cat(c) for c in zip(*(r[k] for r in routings), strict=True))
                if there.routed
                else ()
            )
            b = stacked[target] * per_sample(_times(scale, of_layer[target]), stacked[target])
            found = there.weight_gradient(stacked[source], b, routing)
            gradients |= {f"{names[k]}.{key}": g for key, g in found.items()}
        for term in self.terms:
            of_term = _times(scale, of_layer[term.layer])
            gradients |= term.gradient(stacked[term.layer], of_term)
        moved = {
            i: difference([s[i] for s in states], [_times(s, of_layer[i]) for s in scales])
            for i in self.driven
        }
        return self._with_drives(gradients, moved)

    def response_gradient(
        self, state: State, response: State, scale: Tensor, routings: Routings
    ) -> EnergyGradient:
        names = self.energy.couplings.names()
        gradients: dict[str, Tensor] = {}
        for k, (coupling, (a, b)) in enumerate(zip(self.energy.couplings, self.ends, strict=True)):
            # The response meets each coupling on both sides: as its target and as its source.
            found = _met(
                coupling,
                self.couplings[k],
                (state[a], state[b] * per_sample(scale, state[b])),
                (response[a], response[b] * per_sample(scale, response[b])),
                routings.get(k, ()),
            )
            gradients |= {f"{names[k]}.{key}": g for key, g in found.items()}
        for term in self.terms:
            w = response[term.layer]
            gradients |= term.mixed_gradient(state[term.layer], w * per_sample(scale, w))
        moved = {i: response[i] * per_sample(scale, response[i]) for i in self.driven}
        return self._with_drives(gradients, moved)

    def _with_drives(
        self, gradients: dict[str, Tensor], moved: Mapping[int, Tensor]
    ) -> EnergyGradient:
        """The gradient including the drives; ``moved`` is the factor of each drive's field."""
        names, drives = self.energy.drives.names(), []
        parts = zip(self.drive_chains, self.driven, self.drives, strict=True)
        for k, (chain, i, u) in enumerate(parts):
            # Drives are real, so the real part of what meets them is all that counts.
            field = moved[i].real if moved[i].is_complex() else moved[i]
            found = chain.weight_gradient(u, field, ())
            gradients |= {f"{names[k]}.{key}": g for key, g in found.items()}
            drives.append(chain.adjoint(field, ()))
        return EnergyGradient(gradients, drives)


def _met(
    coupling: Coupling,
    pair: Pair,
    ends: tuple[Tensor, Tensor],
    response: tuple[Tensor, Tensor],
    routing: Routing,
) -> dict[str, Tensor]:
    """``d (<op(a), w_b> + <back(b), w_a>) / d weight`` with ``ends = (a, b)``, ``response = w``;
    scaled on the side of b."""
    (a, b), (wa, wb) = ends, response
    if not coupling.own:
        pair, b = Pair(pair.there, pair.there), _times(b, float(coupling.feedback))
    found, back = pair.mixed_gradient((a, b), (wa, wb), routing)
    for key, gradient in back.items():
        op, _, name = key.rpartition(".")
        found[f"{op}.{BACKWARD}{name}"] = gradient
    return {key: found[key] for key in coupling.weights()}


def _times(x: Tensor, factor: float) -> Tensor:
    return x if factor == 1 else x * factor


def _layer_weights(
    layers: Sequence[Layer], couplings: Sequence[Coupling]
) -> tuple[float, ...] | None:
    """The layer weights; None where a way back has weights of its own.

    Raises:
        ValueError: around a cycle the feedback does not multiply to 1.
    """
    scaled = [(c.source, c.target, float(c.feedback)) for c in couplings if not c.own]
    found = layer_weights(len(layers), scaled)
    if isinstance(found, Cycle):
        raise ValueError(
            f"around {' - '.join(layers[i].name for i in found.layers)} the feedback multiplies to "
            f"{found.product:g}: an energy needs 1"
        )
    return found if len(scaled) == len(couplings) else None


def _of(weights: Weights, name: str) -> dict[str, Tensor]:
    """The weights of one chain, by their names in it."""
    prefix = f"{name}."
    return {k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix)}
