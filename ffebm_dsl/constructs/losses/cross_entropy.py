"""``cross_entropy``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.losses._ends import ENDS
from ffebm_dsl.constructs.losses._weights import class_weights, one_for_each_class, tensor_of
from ffebm_dsl.language.registry import Kind, LossConstruct, Parameter
from ffebm_dsl.language.registry.parameters import FRACTION

if TYPE_CHECKING:
    from torch import Tensor


def _per_sample(
    logits: Tensor,
    target: Tensor,
    label_smoothing: float = 0.0,
    weight: tuple[float, ...] = (1.0,),
) -> Tensor:
    """In nat: logits (B, K), labels (B,) or probabilities (B, K) to (B,).

    Raises:
        ValueError: shapes that do not fit, or labels that are not integers.
    """
    from torch.nn import functional as F

    from ffebm_dsl.physics.network.requirements import require_labels

    require_labels(logits, target)
    return F.cross_entropy(
        logits,
        target,
        tensor_of(weight, logits),
        reduction="none",
        label_smoothing=label_smoothing,
    )


CONSTRUCT = LossConstruct(
    "cross_entropy",
    "softmax cross entropy; the target is a label, or a probability for each class",
    (
        *ENDS,
        Parameter(
            "label_smoothing",
            Kind.REAL,
            "part of the target that is distributed evenly over the classes",
            0.0,
            FRACTION,
        ),
        class_weights("weight", "a factor for each class, or one for all"),
    ),
    equation="-sum over k of weight[k] q[k] log softmax(prediction)[k], in nat; q = "
    "(1 - label_smoothing) target + label_smoothing / K, a label being its one-hot vector",
    source="label smoothing: Szegedy et al. 2016, arXiv 1512.00567",
    deviations=(
        "the mean over samples, where torch.nn.CrossEntropyLoss divides by the sum of the weights "
        "of their classes",
    ),
    per_sample=_per_sample,
    targets=("label", "probabilities"),
    misfit=one_for_each_class("weight"),
    softmax=True,
)
