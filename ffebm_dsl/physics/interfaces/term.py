"""Terms of one layer in an energy.

It adds ``phi(s)`` of one layer's state to the primitive function of its block. An update moves
the layer from s by ``eps (sigma(v) - s)``, v being the whole pre-activation at s: for the
identity a step ``-eps dE/ds`` down the gradient. Let sigma' be at most a, and the Hessian of phi
at least -L, at every state. Then the energy falls in every such step with
``eps < 2 / (1 + a L)``, since G is convex by at least 1 / a. The step taken is ``1 / (1 + a L)``,
for which the bound promises the largest fall.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from ffebm_dsl.physics.interfaces.op import Weights

if TYPE_CHECKING:
    from torch import Tensor


class Term(ABC):
    """A function of one layer's state, with its derivatives; ``s`` is (B, *shape).

    Attributes:
        shape: shape of the layer's state for one sample.
    """

    shape: tuple[int, ...]

    @abstractmethod
    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters by name: matrices (outputs, inputs) and one called ``bias``."""

    @abstractmethod
    def phi(self, s: Tensor, weights: Weights) -> Tensor:
        """The term, (B,)."""

    @abstractmethod
    def force(self, s: Tensor, weights: Weights) -> Tensor:
        """``d phi / d s``, (B, *shape), differentiable."""

    @abstractmethod
    def product(self, s: Tensor, w: Tensor, weights: Weights) -> Tensor:
        """The Hessian of phi at ``s`` times ``w``, (B, *shape)."""

    @abstractmethod
    def curvature(self, weights: Weights) -> Tensor:
        """An L >= 0, 0-dim, such that no eigenvalue of the Hessian is below -L at any state."""

    def gradient(self, s: Tensor, scale: Tensor, weights: Weights) -> dict[str, Tensor]:
        """``d / d weights`` of the sum over samples of ``scale * phi(s)``, scale being (B,)."""
        return self._gradient(lambda own: (self.phi(s.detach(), own) * scale).sum(), weights)

    def mixed_gradient(self, s: Tensor, w: Tensor, weights: Weights) -> dict[str, Tensor]:
        """``d / d weights`` of the sum over samples of ``<w, d phi / d s>``."""
        return self._gradient(lambda own: (self.force(s.detach(), own) * w).sum(), weights)

    def _gradient(self, value: Callable[[Weights], Tensor], weights: Weights) -> dict[str, Tensor]:
        import torch

        own = {name: w.detach().requires_grad_() for name, w in weights.items()}
        with torch.enable_grad():
            found = torch.autograd.grad(value(own), list(own.values()), materialize_grads=True)
        return dict(zip(own, found, strict=True))
