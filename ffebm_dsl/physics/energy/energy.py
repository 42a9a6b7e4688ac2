"""The base class of energies, which are defined by their primitive function phi.

Per sample, with states ``s_i`` of the layers and drives ``u_k`` from feedforward maps::

    E(s, u) = sum over layers w_i G_i(s_i)  -  phi(s, u)

An equilibrium satisfies ``s_i = sigma_i(v_i)``, ``v_i = (d phi / d s_i) / w_i``, with
``sigma_i = (grad G_i)^-1``. The layer weights w are 1 in all but blocks with scaled feedback. A
kind of energy is a module that defines phi. Its derivatives by automatic differentiation are
correct but slow; :class:`~ffebm_dsl.physics.energy.hopfield.HopfieldEnergy` has closed forms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.energy.autograd_energy import AutogradEnergy
from ffebm_dsl.physics.interfaces import (
    Acceleration,
    BoundEnergy,
    Layer,
    State,
    Transposed,
    Weights,
)


class Energy(nn.Module, ABC):
    """A kind of energy. A subclass defines :meth:`phi`; everything else follows from it."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        super().__init__()
        self.layers = tuple(layers)

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Refuse subclasses that override phi but inherit closed forms of its derivatives.

        Raises:
            TypeError: ``phi`` or ``energy`` is overridden where ``bind`` is inherited from a
                class below :class:`Energy`, and so would ignore it.
        """
        super().__init_subclass__(**arguments)
        changed = {"phi", "energy"} & set(vars(cls))
        if changed and "bind" not in vars(cls) and cls.bind is not Energy.bind:
            raise TypeError(
                f"{cls.__name__} overrides {' and '.join(sorted(changed))}, which the closed forms "
                f"of {cls.__mro__[1].__name__} ignore: derive from Energy, which differentiates "
                "phi, or override bind as well"
            )

    def step(
        self, layer: int, s: Tensor, v: Tensor, state: State, drives: Sequence[Tensor]
    ) -> Tensor:
        """The new state of a layer that is at ``s`` under the pre-activation ``v``.

        The other layers are as in ``state``, at which adjoints are linearised. It must equal ``s``
        exactly where ``s = sigma(v)``. An energy whose dynamics do not update a layer to
        ``sigma(v)`` overrides this; only ``ffebm check``, which compares both, uses it.
        """
        return self.layers[layer].activation(v)

    @property
    def layer_weights(self) -> tuple[float, ...] | None:
        """The weight w of each layer; None if no energy exists."""
        return (1.0,) * len(self.layers)

    @property
    def routed(self) -> bool:
        """Whether a coupling contains a routed op, such as max pooling."""
        return False

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """The pairs of layers that phi couples; by default all of them.

        A layer whose update depends on its own old state is a pair with itself.
        """
        return tuple((a, b) for a in range(len(self.layers)) for b in range(a + 1))

    @property
    def acceleration(self) -> Acceleration | None:
        """How ``solver = auto`` accelerates sweeps; None: not at all.

        If coupled layers are updated together, it does not either.
        """
        return None

    @property
    def drive_shapes(self) -> tuple[tuple[int, ...], ...] | None:
        """The shape of one sample of each drive; None if it is not checked."""
        return None

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of :meth:`BoundEnergy.quantities`."""
        return ()

    def fix_steps(self) -> None:
        """Keep the steps of updates that follow from the weights as they are now.

        A graph for inference cannot compute them. Energies without such steps do nothing.
        """

    @abstractmethod
    def phi(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        """The primitive function, (B,), differentiable in states, drives and parameters."""

    def forward(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        """:meth:`phi`."""
        return self.phi(state, drives)

    def energy(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        """``sum w G(s) - phi(s, u)``, (B,).

        Raises:
            ValueError: the block has no energy.
            TypeError: an activation has no inverse, and so no G.
        """
        potentials = [
            layer.activation.potential(s).flatten(1).sum(1) * w
            for layer, s, w in zip(self.layers, state, self.require_layer_weights(), strict=True)
        ]
        return torch.stack(potentials).sum(0) - self.phi(state, drives)

    def field(self, state: State, drives: Sequence[Tensor]) -> list[Tensor]:
        """The pre-activations v, (B, *layer shape) each, with a graph.

        Relaxations and estimators are derived from them. ``state`` must require a gradient.
        """
        total = self.phi(state, drives).sum()
        found = torch.autograd.grad(total, list(state), create_graph=True, materialize_grads=True)
        return [v / w for v, w in zip(found, self.require_layer_weights(), strict=True)]

    def require_layer_weights(self) -> tuple[float, ...]:
        """The layer weights.

        Raises:
            ValueError: the block has no energy.
        """
        if self.layer_weights is None:
            raise ValueError(
                "couplings with `feedback = own` do not derive from an energy: there is no phi"
            )
        return self.layer_weights

    def weights(self) -> dict[str, Tensor]:
        """The current weight tensors by name, for which gradients are computed."""
        return dict(self.named_parameters())

    def bind(
        self,
        drives: Sequence[Tensor],
        weights: Weights,
        *,
        graph: bool = False,
        transposed: Transposed | None = None,
    ) -> BoundEnergy:
        """The energy at these drives and weights, with names as in :meth:`weights`.

        With ``graph`` autograd records its dynamics. ``transposed`` maps a weight's name and value
        to the weight of the way back; ValueError if the energy has only one weight for both.
        """
        if transposed is not None:
            raise ValueError(
                f"{type(self).__name__} has one weight for both directions of a coupling"
            )
        return AutogradEnergy(self, drives, weights, graph=graph)
