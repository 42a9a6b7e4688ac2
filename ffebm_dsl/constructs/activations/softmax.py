"""The activation ``softmax``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.language.registry import ActivationConstruct
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor


class Softmax(Activation):
    """``sigma(v) = softmax(a v)`` over dimension 1; ``G(s) = sum of s log s / a``.

    The units of a vector, or the channels of each pixel, are probabilities: states have no
    negative entry, and sum to 1. Its Jacobian, ``a (diag(s) - s s^T)``, is not diagonal.
    """

    elementwise = False
    range = 0.0, 1.0

    def __call__(self, v: Tensor) -> Tensor:
        return (self.slope * v).softmax(1)

    def derivative(self, v: Tensor) -> Tensor:
        """There is none entry by entry: :meth:`jvp` multiplies by the Jacobian.

        Raises:
            TypeError: always.
        """
        raise TypeError("the Jacobian of a softmax is not diagonal: use jvp")

    def jvp(self, v: Tensor, t: Tensor) -> Tensor:
        s = self(v)
        return self.slope * s * (t - (s * t).sum(1, keepdim=True))

    def potential(self, s: Tensor) -> Tensor:
        return s.xlogy(s) / self.slope


CONSTRUCT = ActivationConstruct(
    "softmax",
    "exp(a v) over its sum, over the units of a vector or the channels of each pixel",
    (SLOPE,),
    equation="s[i] = exp(a v[i]) / sum over j of exp(a v[j]), over the first dimension of the "
    "layer; G(s) = sum over i of s[i] log s[i] / a, the negative entropy",
    make=Softmax,
)
