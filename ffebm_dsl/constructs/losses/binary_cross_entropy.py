"""``binary_cross_entropy``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.losses._ends import ENDS
from ffebm_dsl.constructs.losses._weights import class_weights, one_for_each_class, tensor_of
from ffebm_dsl.language.registry import LossConstruct

if TYPE_CHECKING:
    from torch import Tensor


def _per_sample(logits: Tensor, target: Tensor, pos_weight: tuple[float, ...] = (1.0,)) -> Tensor:
    """In nat: logits (B, ...), labels (B,), or numbers in [0, 1] of shape (B, K), to (B,).

    Raises:
        ValueError: shapes that do not fit.
    """
    from torch.nn import functional as F

    from ffebm_dsl.physics.network.requirements import one_hot, require_vectors

    flat = logits.flatten(1)
    target = one_hot(target, flat)
    require_vectors("binary_cross_entropy", flat, target)
    found = F.binary_cross_entropy_with_logits(
        flat, target.to(flat.dtype), reduction="none", pos_weight=tensor_of(pos_weight, flat)
    )
    return found.sum(1)


CONSTRUCT = LossConstruct(
    "binary_cross_entropy",
    "binary cross entropies of logits, summed over labels that do not exclude each other",
    (
        *ENDS,
        class_weights("pos_weight", "a factor of y[k] for each label, or one for all"),
    ),
    equation="-sum over k of (pos_weight[k] y[k] log p[k] + (1 - y[k]) log(1 - p[k])), in nat, "
    "p = 1 / (1 + exp(-prediction)); a class index counts as its one-hot vector",
    deviations=(
        "takes logits, as torch.nn.BCEWithLogitsLoss does, where torch.nn.BCELoss takes "
        "probabilities; the sum over labels, where torch takes their mean",
    ),
    per_sample=_per_sample,
    targets=("labels", "label", "probabilities"),
    flat=True,
    misfit=one_for_each_class("pos_weight"),
)
