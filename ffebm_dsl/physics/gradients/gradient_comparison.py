"""Comparison of two gradients of one tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Comparison:
    """An estimate compared with a reference.

    Attributes:
        cosine: cosine of the angle between them; 1 if both vanish, as they are then equal.
        relative_error: ``|estimate - reference| / |reference|``; 0 where both vanish.
        norm: 2-norm of the estimate.
        reference_norm: 2-norm of the reference.
        vanishes: whether both vanish, so that they have no direction.
    """

    cosine: float
    relative_error: float
    norm: float
    reference_norm: float
    vanishes: bool = False

    def agrees(self, cosine: float) -> bool:
        """Whether the cosine reaches ``cosine``, or both vanish. Never true of a NaN gradient."""
        return self.cosine >= cosine


def compare(estimate: Tensor, reference: Tensor, *, floor: float = 0.0) -> Comparison:
    """Compare two tensors of one shape; a 2-norm below ``floor`` counts as zero.

    If only one of the two vanishes, they disagree: the cosine is 0. If an entry of
    either is not finite, the cosine is 0 and the error infinite.

    Raises:
        ValueError: different shapes.
    """
    if estimate.shape != reference.shape:
        raise ValueError(f"cannot compare shapes {list(estimate.shape)}, {list(reference.shape)}")
    a, b = estimate.detach().double().flatten(), reference.detach().double().flatten()
    norm, reference_norm = float(a.norm()), float(b.norm())
    if not (math.isfinite(norm) and math.isfinite(reference_norm)):
        return Comparison(0.0, math.inf, norm, reference_norm)
    if norm <= floor and reference_norm <= floor:
        return Comparison(1.0, 0.0, norm, reference_norm, vanishes=True)
    if norm <= floor or reference_norm <= floor:
        error = float((a - b).norm()) / reference_norm if reference_norm > 0 else math.inf
        return Comparison(0.0, error, norm, reference_norm)
    # Scaled before the product, which would underflow for small gradients.
    cosine = float((a / norm) @ (b / reference_norm))
    return Comparison(cosine, float((a - b).norm()) / reference_norm, norm, reference_norm)
