"""Augmentation of whole batches, each sample with its own random key.

The partner of a mixed sample is drawn by its key too, from the whole training set, so that it
depends neither on resumption nor on the number of processes that share a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.registry import AUGMENTATIONS
from ffebm_dsl.physics.network import Inputs
from ffebm_dsl.running.training import keyed


def augment(
    augmentations: Sequence[CallIR],
    inputs: Inputs,
    indices: NDArray[np.int64],
    *,
    seed: int,
    epoch: int,
) -> Inputs:
    """Apply all augmentations in order to inputs (B, ...) of the samples ``indices`` (B,).

    Image augmentations apply to every input (B, C, H, W), and to all inputs of a sample with the
    same random numbers, so that views of one scene stay consistent. An augmentation that mixes
    samples is left to :func:`mix`, which comes last.
    """
    first = 0
    for call in augmentations:
        augmentation = AUGMENTATIONS[call.name]
        if augmentation.apply is not None:
            draws = _drawn(indices, first, augmentation.draws, seed, epoch)
            inputs = tuple(
                augmentation.apply(x, draws, call.arguments)
                if x.dim() == 4 or not augmentation.image_only
                else x
                for x in inputs
            )
        first += augmentation.draws
    return inputs


def mixes(augmentations: Sequence[CallIR]) -> bool:
    """Whether the last augmentation, the only one that may do so, mixes samples."""
    return bool(augmentations) and AUGMENTATIONS[augmentations[-1].name].mix is not None


def partners(
    rows: NDArray[np.int64], indices: NDArray[np.int64], *, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Partners for mixing the samples ``indices`` (B,), from ``rows`` of the training set."""
    drawn = keyed.uniform(keyed.Purpose.PARTNER, seed, epoch, indices)
    return rows[(drawn * len(rows)).astype(np.int64)]


def mix(
    augmentations: Sequence[CallIR],
    own: tuple[Inputs, Tensor],
    others: tuple[Inputs, Tensor],
    classes: int,
    indices: NDArray[np.int64],
    *,
    seed: int,
    epoch: int,
) -> tuple[Inputs, Tensor]:
    """Normalised inputs and targets of ``indices`` (B,), mixed with ``others``.

    All inputs of a sample are mixed with the same random numbers. Labels (B,) become vectors
    (B, ``classes``).
    """
    call = augmentations[-1]
    augmentation = AUGMENTATIONS[call.name]
    assert augmentation.mix is not None
    before = sum(AUGMENTATIONS[other.name].draws for other in augmentations[:-1])
    draws = _drawn(indices, before, augmentation.draws, seed, epoch)
    mixed = [
        augmentation.mix(x, other, draws, call.arguments)
        for x, other in zip(own[0], others[0], strict=True)
    ]
    inputs = tuple(x for x, _ in mixed)
    # The checker ensures that all inputs have the same share.
    share = mixed[0][1]
    mine, theirs = (
        (y if y.dim() > 1 else functional.one_hot(y, classes)).to(inputs[0].dtype)
        for _, y in (own, others)
    )
    return inputs, theirs + share[:, None] * (mine - theirs)


def _drawn(
    indices: NDArray[np.int64], first: int, count: int, seed: int, epoch: int
) -> NDArray[np.float64]:
    """Random numbers ``first`` to ``first + count - 1`` of each sample, (B, ``count``)."""
    number = np.arange(first, first + count)
    return keyed.uniform(keyed.Purpose.AUGMENTATION, seed, epoch, indices[:, None], number[None, :])
