"""``mse``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.losses._ends import ENDS
from ffebm_dsl.language.registry import Kind, LossConstruct, Parameter
from ffebm_dsl.language.registry.parameters import BELOW_ONE

if TYPE_CHECKING:
    from torch import Tensor


def _per_sample(prediction: Tensor, target: Tensor, low: float = 0.0) -> Tensor:
    """Predictions (B, ...), labels (B,) or vectors (B, K) to (B,).

    Raises:
        ValueError: shapes that do not fit.
    """
    from ffebm_dsl.physics.network.requirements import one_hot, require_vectors

    flat = prediction.flatten(1)
    target = one_hot(target, flat)
    require_vectors("mse", flat, target)
    if low:
        target = low + (1 - low) * target
    return (flat - target).square().sum(1) / 2


CONSTRUCT = LossConstruct(
    "mse",
    "half the squared distance, summed over entries; a label counts as its one-hot vector",
    (
        *ENDS,
        Parameter(
            "low",
            Kind.REAL,
            "what a 0 of the target becomes, where a 1 remains 1; -1 for outputs from -1 to 1",
            0.0,
            BELOW_ONE,
        ),
    ),
    equation="1/2 sum over i of (prediction[i] - low - (1 - low) target[i])^2",
    deviations=("half the sum over entries, where torch.nn.MSELoss takes their mean",),
    per_sample=_per_sample,
    targets=("label", "vector", "probabilities", "labels", "reconstruction"),
    flat=True,
    curvature=1.0,
)
