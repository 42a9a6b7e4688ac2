"""``batch_norm1d``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._normalisation import (
    BATCH_NORM,
    NORMALISED,
    scale_and_shift,
    use_instead,
)
from ffebm_dsl.language.registry import Arguments, Fit, Misfit, OpConstruct, OpIR, Shape
from ffebm_dsl.language.registry.shapes import not_a_vector

if TYPE_CHECKING:
    from torch import nn


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    wrong = not_a_vector("batch_norm1d", shape)
    return use_instead("batch_norm2d", wrong, 3, shape) if wrong else Fit(shape)


def _module(op: OpIR) -> nn.Module:
    from ffebm_dsl.physics.network.whole_batch import BatchNorm1d

    return BatchNorm1d(op.in_shape[0], **op.arguments)


CONSTRUCT = OpConstruct(
    "batch_norm1d",
    "batch normalisation of a vector",
    BATCH_NORM,
    equation=f"{NORMALISED}, mean and variance of each feature over the batch; in "
    "evaluation, their means over batches of training samples",
    source="Ioffe and Szegedy 2015, arXiv 1502.03167",
    module=_module,
    shape=_shape,
    count_parameters=scale_and_shift,
    role="normalisation",
    per_sample=False,
)
