"""Activations and the potentials they come from.

A layer's potential ``G`` and its activation ``sigma`` determine each other:
``sigma = (grad G)^-1``. The fixed point ``s = sigma(d phi / d s)`` is therefore where
the energy ``G(s) - phi(s)`` is stationary, and for a clipped activation where it is
minimal subject to the clip. With a slope ``a``, ``sigma_a(v) = sigma(a v)`` and
``G_a = G / a``.

Methods work on states (B, *layer shape), element by element; an activation that mixes the
entries of a sample, as softmax does, says so. An activation may differ between units or
channels, the second dimension.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Activation(ABC):
    """``sigma`` of a layer, with its derivative and its potential.

    ``slope`` multiplies the pre-activation ``v`` (which has the units of
    ``d phi / d s``) and is positive.
    """

    holomorphic: ClassVar[bool] = False
    """Whether sigma takes complex tensors too, as the holomorphic function that it is."""

    elementwise: ClassVar[bool] = True
    """Whether an entry of sigma depends on the same entry of ``v`` alone."""

    invertible: ClassVar[bool] = True
    """Whether sigma has an inverse. Without one no G belongs to it, and what a block is at rest in
    is the energy of states and pre-activations ``sum of <s, v> - integral of sigma(v)  -  phi(s)``,
    at a stationary point of both; contrasts are the same, being derivatives of phi."""

    periodic: ClassVar[bool] = False
    """Whether states are angles, as an energy of oscillators takes them."""

    slope: float = 1.0

    quadratic: ClassVar[bool] = False
    """Whether ``G(s)`` is ``s^2 / 2a`` between the ends at which sigma is cut off."""

    def __post_init__(self) -> None:
        if not self.slope > 0:
            raise ValueError(f"an activation's slope must be positive, not {self.slope}")

    @abstractmethod
    def __call__(self, v: Tensor) -> Tensor:
        """``sigma(v)``: the state at which the layer rests under the pre-activation ``v``."""

    def overwrite(self, v: Tensor) -> Tensor:
        """``sigma(v)``, in place where that saves time; no autograd graph may need ``v``."""
        return self(v)

    @abstractmethod
    def derivative(self, v: Tensor) -> Tensor:
        """``d sigma / d v``; at a kink the value that PyTorch's autograd takes.

        Raises:
            TypeError: sigma mixes entries, so its derivative is not a tensor of the shape of ``v``.
        """

    def jvp(self, v: Tensor, t: Tensor) -> Tensor:
        """The Jacobian of sigma at ``v``, which is symmetric, times ``t``."""
        return self.derivative(v) * t

    @abstractmethod
    def potential(self, s: Tensor) -> Tensor:
        """``G(s)``, entry by entry, for ``s`` in the closed range of the activation.

        If the activation mixes entries, only the sum over entries is defined as G.

        Raises:
            TypeError: sigma has no inverse.
        """

    @property
    def steepness(self) -> float:
        """An upper bound of the derivative; by default the slope."""
        return self.slope

    @property
    def clip(self) -> tuple[float, float]:
        """The lower and upper states at which sigma is clipped, where it has its kinks."""
        return -math.inf, math.inf

    @property
    def range(self) -> tuple[float, float]:
        """A closed interval that contains all values of sigma, over all units."""
        return self.clip

    @property
    def bounded(self) -> bool:
        """Whether the range is bounded on both sides."""
        return all(map(math.isfinite, self.range))

    def project(self, s: Tensor) -> Tensor:
        """Project ``s`` in place onto the states that the layer can take."""
        low, high = self.range
        return s if low == -math.inf and high == math.inf else s.clamp_(low, high)

    def cut_off(self, s: Tensor) -> tuple[Tensor, Tensor]:
        """Masks of the states ``s`` that are at the lower and at the upper end of ``clip``."""
        low, high = self.clip
        return s <= low, s >= high

    def kink_distance(self, v: Tensor) -> Tensor:
        """Distance from the pre-activation ``v`` to the nearest kink of sigma."""
        low, high = self.clip
        return (v - low / self.slope).abs().minimum((v - high / self.slope).abs())

    def crossed(self, s: Tensor, other: Tensor) -> Tensor:
        """Mask of entries where one of two states is clipped: a kink lies between them."""
        (low, high), (other_low, other_high) = self.cut_off(s), self.cut_off(other)
        return (low != other_low) | (high != other_high)
