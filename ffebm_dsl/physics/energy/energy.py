"""Kinds of energy, and what follows of them from phi alone.

Per sample, with states ``s_i`` of the layers and drives ``u_k`` from feedforward maps::

    E(s, u) = sum over layers w_i G_i(s_i)  -  phi(s, u)

An equilibrium satisfies ``s_i = sigma_i(v_i)``, ``v_i = (d phi / d s_i) / w_i``, with
``sigma_i = (grad G_i)^-1``. The layer weights w are 1 in all but blocks with scaled feedback. A
kind of energy is a module that says what phi is. Bound by automatic differentiation of phi
it is right and slow; :class:`~ffebm_dsl.physics.energy.hopfield.HopfieldEnergy` has closed
forms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.energy.autograd_energy import AutogradEnergy
from ffebm_dsl.physics.interfaces import BoundEnergy, Layer, State, Transposed, Weights


class Energy(nn.Module, ABC):
    """A kind of energy. A subclass gives :meth:`phi`; all else follows from it."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        super().__init__()
        self.layers = tuple(layers)

    def __init_subclass__(cls, **arguments: Any) -> None:
        """A subclass of a kind with closed forms may not change phi under them.

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

    def step(self, layer: int, s: Tensor, v: Tensor) -> Tensor:
        """Where an update brings a layer that is at ``s`` under the pre-activation ``v``.

        At rest it must be where ``s = sigma(v)``, and only there. An energy whose dynamics do
        not move a layer to ``sigma(v)`` says here where they do; nothing but ``ffebm check``,
        which compares both, reads it.
        """
        return self.layers[layer].activation(v)

    @property
    def layer_weights(self) -> tuple[float, ...] | None:
        """w of each layer; None where the block's pre-activations derive from no energy."""
        return (1.0,) * len(self.layers)

    @property
    def routed(self) -> bool:
        """Whether a coupling chooses among its inputs, as max pooling does."""
        return False

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """The pairs of layers whose states phi couples; all of them where nothing else is said."""
        return tuple((a, b) for a in range(len(self.layers)) for b in range(a + 1))

    @property
    def drive_shapes(self) -> tuple[tuple[int, ...], ...] | None:
        """The shape of one sample of each drive; None where any will do."""
        return None

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of what the bound energy measures of an equilibrium."""
        return ()

    @abstractmethod
    def phi(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        """The primitive function, (B,), differentiable in states, drives and parameters."""

    def forward(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        """:meth:`phi`."""
        return self.phi(state, drives)

    def energy(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        """``sum w G(s) - phi(s, u)``, (B,).

        Raises:
            ValueError: there is no energy.
            TypeError: an activation has no inverse, and so no G.
        """
        potentials = [
            layer.activation.potential(s).flatten(1).sum(1) * w
            for layer, s, w in zip(self.layers, state, self.require_layer_weights(), strict=True)
        ]
        return torch.stack(potentials).sum(0) - self.phi(state, drives)

    def field(self, state: State, drives: Sequence[Tensor]) -> list[Tensor]:
        """The pre-activations v, (B, *layer shape) each, with a graph.

        All that relaxations and estimators compute is derived from them. ``state`` is part of
        a graph.
        """
        total = self.phi(state, drives).sum()
        found = torch.autograd.grad(total, list(state), create_graph=True, materialize_grads=True)
        return [v / w for v, w in zip(found, self.require_layer_weights(), strict=True)]

    def require_layer_weights(self) -> tuple[float, ...]:
        """The layer weights.

        Raises:
            ValueError: there is no energy.
        """
        if self.layer_weights is None:
            raise ValueError(
                "couplings with a way back of their own derive from no energy: there is no phi"
            )
        return self.layer_weights

    def weights(self) -> dict[str, Tensor]:
        """The tensors that gradients are taken for, by name, as they are now."""
        return dict(self.named_parameters())

    def bind(
        self,
        drives: Sequence[Tensor],
        weights: Weights,
        *,
        graph: bool = False,
        transposed: Transposed | None = None,
    ) -> BoundEnergy:
        """The energy at these drives and weights, the latter named as by :meth:`weights`.

        With ``graph`` what its dynamics compute is recorded for autograd. ``transposed`` gives, for
        a weight's name and value, what acts on the way back; ValueError where there is but one way.
        """
        if transposed is not None:
            raise ValueError(f"{type(self).__name__} has one weight for both ways of a coupling")
        return AutogradEnergy(self, drives, weights, graph=graph)
