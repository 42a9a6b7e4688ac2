"""``cross_entropy``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.losses._ends import ENDS
from ffebm_dsl.language.registry import LossConstruct

if TYPE_CHECKING:
    from torch import Tensor


def _per_sample(logits: Tensor, target: Tensor) -> Tensor:
    """In nat: logits (B, K), labels (B,) to (B,).

    Raises:
        ValueError: shapes that do not fit, or labels that are not integers.
    """
    from torch.nn import functional as F

    from ffebm_dsl.physics.network.fit import require_labels

    require_labels(logits, target)
    return F.cross_entropy(logits, target, reduction="none")


CONSTRUCT = LossConstruct(
    "cross_entropy",
    "softmax cross entropy; the target is a label",
    ENDS,
    equation="-log softmax(prediction)[target], in nat",
    per_sample=_per_sample,
    targets=("label",),
)
