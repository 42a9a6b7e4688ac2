"""Terms of one layer in the phi of a Hopfield energy, as modules and at fixed weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.energy.weights import reset
from ffebm_dsl.physics.interfaces import Layer, Term, Weights


class LayerTerm(nn.Module):
    """A term with its parameters, of the layer with the index ``layer``.

    Calling the module returns its current weights, as for an op of a coupling.
    """

    def __init__(self, layer: int, term: Term) -> None:
        super().__init__()
        self.layer, self.term = layer, term
        self._fixed: float | None = None
        shapes = term.weight_shapes()
        self._names = tuple(shapes)
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))
        reset(self)

    def forward(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in self._names}

    def curvature(self, weights: Weights) -> float:
        """The bound of the term's curvature, from which steps of updates follow."""
        return float(self.term.curvature(weights)) if self._fixed is None else self._fixed

    def fix_curvature(self) -> None:
        """Keep the bound for the present weights, whatever they become."""
        with torch.no_grad():
            self._fixed = self.curvature(self())

    def phi(self, s: Tensor) -> Tensor:
        """The term at the layer's state, (B,)."""
        return self.term.phi(s, self())

    def extra_repr(self) -> str:
        return f"{type(self.term).__name__}: {list(self.term.shape)}"


class BoundTerm:
    """A term at fixed weights."""

    def __init__(self, name: str, module: LayerTerm, weights: Weights) -> None:
        self.name, self.layer, self.term, self.weights = name, module.layer, module.term, weights
        self._module = module

    def curvature(self) -> float:
        return self._module.curvature(self.weights)

    def force(self, s: Tensor) -> Tensor:
        return self.term.force(s, self.weights)

    def product(self, s: Tensor, w: Tensor) -> Tensor:
        return self.term.product(s, w, self.weights)

    def gradient(self, s: Tensor, scale: Tensor) -> dict[str, Tensor]:
        return self._named(self.term.gradient(s, scale, self.weights))

    def mixed_gradient(self, s: Tensor, w: Tensor) -> dict[str, Tensor]:
        return self._named(self.term.mixed_gradient(s, w, self.weights))

    def _named(self, gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {f"{self.name}.{key}": gradient for key, gradient in gradients.items()}


def step_sizes(layers: tuple[Layer, ...], terms: list[BoundTerm]) -> dict[int, float]:
    """The step of each layer that has terms, by the bound of ``physics.interfaces.term``.

    Autograd treats it as a constant, as no fixed point depends on it.
    """
    curvature: dict[int, float] = {}
    with torch.no_grad():
        for term in terms:
            curvature[term.layer] = curvature.get(term.layer, 0.0) + term.curvature()
    return {i: 1 / (1 + layers[i].activation.steepness * c) for i, c in curvature.items()}
