"""Promises of energies: everything computed from them agrees with their phi.

The reference is phi itself, differentiated by autograd with respect to states, drives and
parameters; without an energy it is the pre-activations. Parameters may be parametrised: gradients
by the weights of a bound energy are propagated back to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Generator, Tensor

from ffebm_dsl.physics.energy import Energy
from ffebm_dsl.physics.interfaces import BoundEnergy, EnergyGradient, inner
from ffebm_dsl.tools.checking.promises import Promise, compared, interior, normal

BATCH = 2
LIMIT = 1e-10
"""Sums over a block cancel more than one op does; a wrong term is larger by far."""


def energy_promises(
    energy: Energy, drive_shapes: Sequence[tuple[int, ...]], generator: Generator
) -> Iterator[Promise]:
    """Compare an energy in float64 with its phi at a random state and random drives."""
    drives = [normal(generator, BATCH, *shape) for shape in drive_shapes]
    reference = _Reference(energy, drives, generator)
    if energy.layer_weights is None:
        yield from _field_promises(energy, reference)
        yield from _gradient_promises(reference)
        return
    first = compared(
        "phi gives one number per sample",
        lambda: (
            torch.zeros_like(energy.phi(reference.state, drives)),
            torch.zeros(BATCH, dtype=torch.float64),
        ),
    )
    yield first
    if not first.kept:
        return  # Nothing else can be compared.
    yield from _phi_promises(energy, reference)
    yield from _field_promises(energy, reference)
    yield _contrast_promise(reference)
    yield from _gradient_promises(reference)
    yield from _complex_promises(energy, reference)


class _Reference:
    """A random state, directions around it, and the derivatives of phi there."""

    def __init__(self, energy: Energy, drives: list[Tensor], generator: Generator) -> None:
        self.energy, self.drives = energy, drives
        self.parameters = [p for p in energy.parameters() if p.requires_grad]
        shapes = [(BATCH, *layer.shape) for layer in energy.layers]
        layers = list(zip(energy.layers, shapes, strict=True))
        self.state = [interior(layer.activation, shape, generator) for layer, shape in layers]
        self.other = [interior(layer.activation, shape, generator) for layer, shape in layers]
        self.response = [normal(generator, *shape) for shape in shapes]
        self.cotangent = [normal(generator, *shape) for shape in shapes]
        self.scale = normal(generator, BATCH)

    def bound(self) -> BoundEnergy:
        weights = {name: w.detach() for name, w in self.energy.weights().items()}
        return self.energy.bind(self.drives, weights)

    def moved(self, layer: int, v: Tensor, w: Tensor, force: Tensor) -> Tensor:
        """The step's change per change ``w`` of the layer's state, and ``force`` on it at ``v``.

        Both Jacobians are symmetric, and so taken by autograd backwards.
        """
        with torch.enable_grad():
            s, v = self.state[layer].detach().requires_grad_(), v.detach().requires_grad_()
            new = self.energy.step(layer, s, v, self.state, self.drives)
            if not new.requires_grad:
                return torch.zeros_like(new)
            grad = partial(torch.autograd.grad, new, allow_unused=True, materialize_grads=True)
            (kept,) = grad(s, w, retain_graph=True)
            (pushed,) = grad(v, force)
        return kept + pushed

    def field(self, state: Sequence[Tensor]) -> list[Tensor]:
        """The pre-activations at ``state``, all layers."""
        with torch.enable_grad():
            s = [x.detach().requires_grad_() for x in state]
            return [v.detach() for v in self.energy.field(s, self.drives)]

    def product(self, state: Sequence[Tensor], w: Sequence[Tensor]) -> list[Tensor]:
        """The transpose of the field's derivative at ``state``, times ``w``."""
        with torch.enable_grad():
            s = [x.detach().requires_grad_() for x in state]
            return _gradients(_inner(self.energy.field(s, self.drives), w).sum(), s)

    def contrast(self) -> list[Tensor]:
        """Of phi at the one state less that at the other, scaled: by parameters, then drives."""
        with torch.enable_grad():
            u = [x.detach().requires_grad_() for x in self.drives]
            difference = self.energy.phi(self.state, u) - self.energy.phi(self.other, u)
            return _gradients((difference * self.scale).sum(), [*self.parameters, *u])

    def weighted(self) -> list[Tensor]:
        """The response times the layers' weights."""
        weights = self.energy.require_layer_weights()
        return [w * x for w, x in zip(weights, self.response, strict=True)]

    def mixed(self, response: Sequence[Tensor] | None = None) -> list[Tensor]:
        """Of the response times the field, scaled: by parameters, then drives."""
        response = self.response if response is None else response
        with torch.enable_grad():
            u = [x.detach().requires_grad_() for x in self.drives]
            s = [x.detach().requires_grad_() for x in self.state]
            value = (_inner(self.energy.field(s, u), response) * self.scale).sum()
            return _gradients(value, [*self.parameters, *u])

    def joined(self, found: EnergyGradient) -> Tensor:
        """A gradient by parameters, then drives, all in one."""
        return _flat(self.of_parameters(found.weights), found.drives)

    def of_parameters(self, gradients: Mapping[str, Tensor]) -> list[Tensor]:
        """Gradients by the weights that act, taken back to the parameters behind them."""
        with torch.enable_grad():
            weights = {k: w for k, w in self.energy.weights().items() if k in gradients}
            value = sum(((w * gradients[k]).sum() for k, w in weights.items()), torch.zeros(()))
            return _gradients(value, self.parameters)


def _gradients(value: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
    if not value.requires_grad or not inputs:
        return [torch.zeros_like(x) for x in inputs]
    return list(torch.autograd.grad(value, inputs, allow_unused=True, materialize_grads=True))


def _inner(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """Inner products per sample, summed over layers."""
    return torch.stack([inner(x, y) for x, y in zip(a, b, strict=True)]).sum(0)


def _flat(*groups: Sequence[Tensor]) -> Tensor:
    return torch.cat([x.flatten() for group in groups for x in group])


def _phi_promises(energy: Energy, at: _Reference) -> Iterator[Promise]:
    weights = energy.require_layer_weights()

    def potentials() -> Tensor:
        terms = [
            w * layer.activation.potential(s).flatten(1).sum(1)
            for layer, s, w in zip(energy.layers, at.state, weights, strict=True)
        ]
        return torch.stack(terms).sum(0)

    def field() -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            s = [x.detach().requires_grad_() for x in at.state]
            slopes = _gradients(energy.phi(s, at.drives).sum(), s)
        return _flat(at.field(at.state)), _flat(
            [g / w for g, w in zip(slopes, weights, strict=True)]
        )

    yield compared("field() is the gradient of phi over the layers' weights", field, LIMIT)
    if all(layer.activation.invertible for layer in energy.layers):
        yield compared(
            "the energy is the sum of the potentials less phi",
            lambda: (
                energy.energy(at.state, at.drives),
                potentials() - energy.phi(at.state, at.drives),
            ),
            LIMIT,
        )
    yield compared(
        "a sample's phi does not depend on the others",
        lambda: (
            energy.phi(at.state, at.drives)[:1],
            energy.phi([s[:1] for s in at.state], [u[:1] for u in at.drives]),
        ),
        LIMIT,
    )


def _field_promises(energy: Energy, at: _Reference) -> Iterator[Promise]:
    layers = range(len(energy.layers))
    source = "the gradient of phi" if energy.layer_weights else "what couplings and drives exert"
    yield compared(
        f"the pre-activation is {source}",
        lambda: (
            _flat([at.bound().pre_activation(at.state, i) for i in layers]),
            _flat(at.field(at.state)),
        ),
        LIMIT,
    )
    yield compared(
        f"the dynamics move each layer where step() says by {source}",
        lambda: _swept(at, at.state, from_zero=False),
        LIMIT,
    )
    yield compared(
        "the dynamics do so from the zero state",
        lambda: _swept(at, at.bound().zero_state(), from_zero=True),
        LIMIT,
    )
    yield compared(
        "the adjoint dynamics are linearised at the state", lambda: _swept_adjoint(at), LIMIT
    )
    yield compared("displacements act through the transpose", lambda: _swept_displaced(at), LIMIT)
    yield compared(
        "a repeated batch has the same pre-activations",
        lambda: (
            _flat([at.bound().repeated(2).pre_activation(_twice(at.state), i) for i in layers]),
            _flat(_twice(at.field(at.state))),
        ),
        LIMIT,
    )


def _twice(state: Sequence[Tensor]) -> list[Tensor]:
    return [torch.cat([s, s]) for s in state]


def _swept(at: _Reference, start: Sequence[Tensor], *, from_zero: bool) -> tuple[Tensor, Tensor]:
    """Two sweeps, layer by layer, by the dynamics and by phi."""
    found, expected = [s.clone() for s in start], [s.clone() for s in start]
    with torch.no_grad():
        dynamics = at.bound().dynamics(from_zero=from_zero)
        for i in [*range(len(found))] * 2:
            found[i] = dynamics.update(found, i).clone()
            dynamics.moved(i)
            v = at.field(expected)[i]
            expected[i] = at.energy.step(i, expected[i], v, expected, at.drives)
    return _flat(found), _flat(expected)


def _swept_adjoint(at: _Reference) -> tuple[Tensor, Tensor]:
    bound = at.bound()
    found, expected = bound.zero_state(), bound.zero_state()
    with torch.no_grad():
        dynamics = bound.adjoint(at.state, at.cotangent, bound.routings(at.state))
        field = at.field(at.state)
        for i in [*range(len(found))] * 2:
            found[i] = dynamics.update(found, i).clone()
            dynamics.moved(i)
            force = at.cotangent[i] + at.product(at.state, expected)[i]
            expected[i] = at.moved(i, field[i], expected[i], force)
    return _flat(found), _flat(expected)


def _swept_displaced(at: _Reference) -> tuple[Tensor, Tensor]:
    bound, force = at.bound(), _Constant(at.cotangent)
    found, expected = [s.clone() for s in at.state], [s.clone() for s in at.state]
    with torch.no_grad():
        dynamics = bound.displaced(at.state, force, bound.routings(at.state))
        v = at.field(at.state)
        for i in [*range(len(found))] * 2:
            found[i] = dynamics.update(found, i).clone()
            dynamics.moved(i)
            w = [s - free for s, free in zip(expected, at.state, strict=True)]
            felt = v[i] + at.product(at.state, w)[i] + at.cotangent[i]
            expected[i] = at.energy.step(i, expected[i], felt, at.state, at.drives)
    return _flat(found), _flat(expected)


class _Constant:
    """A force that does not depend on the state."""

    def __init__(self, felt: Sequence[Tensor]) -> None:
        self._felt = felt

    def onto(self, v: Tensor, layer: int, state: Sequence[Tensor], *, overwrite: bool) -> Tensor:
        return v + self._felt[layer]

    def select(self, rows: Tensor) -> _Constant:
        return _Constant([f[rows] for f in self._felt])


def _contrast_promise(at: _Reference) -> Promise:
    def contrast() -> Tensor:
        bound, states = at.bound(), [at.state, at.other]
        routings = [bound.routings(s) for s in states]
        return at.joined(bound.contrast(states, [at.scale, -at.scale], routings))

    return compared(
        "contrast() is the difference of phi's gradients",
        partial(_both, contrast, at.contrast),
        LIMIT,
    )


def _gradient_promises(at: _Reference) -> Iterator[Promise]:
    def response() -> Tensor:
        bound = at.bound()
        routings = bound.routings(at.state)
        return at.joined(bound.response_gradient(at.state, at.response, at.scale, routings))

    def recorded() -> Tensor:
        bound = at.bound().differentiable()
        with torch.enable_grad():
            field = [bound.pre_activation(at.state, i) for i in range(len(at.state))]
            value = (_inner(field, at.response) * at.scale).sum()
            found = _gradients(value, [*bound.weights.values(), *bound.drives])
        count = len(bound.weights)
        weights = dict(zip(bound.weights, found[:count], strict=True))
        return at.joined(EnergyGradient(weights, found[count:]))

    pairs = {
        "response_gradient() is the mixed derivative": (response, at.mixed),
        "differentiable() records the pre-activation for autograd": (recorded, at.mixed),
    }
    for text, (found, expected) in pairs.items():
        yield compared(text, partial(_both, found, expected), LIMIT)


TINY = 1e-20
"""The imaginary part of a complex step, whose square is nothing beside 1."""


def _complex_promises(energy: Energy, at: _Reference) -> Iterator[Promise]:
    """Of an energy that is holomorphic: on complex states it is phi, continued."""
    try:
        at.bound().complex()
    except ValueError:
        return
    yield compared("complex dynamics continue the real ones", partial(_swept_complex, at), LIMIT)

    def contrast() -> Tensor:
        # A complex step: the imaginary part of phi's gradient is its derivative.
        states = [_stepped(at), at.state]
        scales = [at.scale * (-1j / TINY), torch.zeros_like(at.scale)]
        return at.joined(at.bound().complex().contrast(states, scales, [{}, {}]))

    yield compared(
        "contrast() of complex states conjugates nothing",
        # phi's gradient is the field times the layers' weights.
        partial(_both, contrast, lambda: at.mixed(at.weighted())),
        LIMIT,
    )


def _stepped(at: _Reference) -> list[Tensor]:
    return [torch.complex(s, TINY * w) for s, w in zip(at.state, at.response, strict=True)]


def _swept_complex(at: _Reference) -> tuple[Tensor, Tensor]:
    """Each layer's update along a complex step, and by the Hessian of phi."""
    start, found, expected = _stepped(at), list[Tensor](), list[Tensor]()
    with torch.no_grad():
        dynamics = at.bound().complex().dynamics()
        weights, field = at.energy.require_layer_weights(), at.field(at.state)
        # phi's Hessian, which the derivative of the field is over the layers' weights.
        hessian = at.product(at.state, at.weighted())
        moved = [h / w for h, w in zip(hessian, weights, strict=True)]
        for i, layer in enumerate(at.energy.layers):
            new = dynamics.update(start, i)
            found += [new.real.clone(), new.imag / TINY]
            expected += [layer.activation(field[i]), layer.activation.jvp(field[i], moved[i])]
    return _flat(found), _flat(expected)


def _both(
    found: Callable[[], Tensor], expected: Callable[[], list[Tensor]]
) -> tuple[Tensor, Tensor]:
    return found(), _flat(expected())
