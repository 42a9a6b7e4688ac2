"""Checks of the tensors passed to a network, a block or a loss.

PyTorch would broadcast tensors that do not fit, and a mean over (16, 16) differences looks like
a loss. All checks raise ValueError with both shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor
from torch.nn import functional as F

from ffebm_dsl.physics.energy import Energy


def require_drives(block: str, drives: Sequence[Tensor], energy: Energy) -> None:
    """Check the drives of a block: how many, each one's shape, one batch of samples, real numbers.

    Raises:
        ValueError: naming the block and both shapes.
    """
    shapes = energy.drive_shapes
    if shapes is not None and len(drives) != len(shapes):
        raise ValueError(f"block {block} takes {len(shapes)} drives, and gets {len(drives)}")
    if not drives:
        raise ValueError(f"block {block} has no drive")
    batch = drives[0].shape[:1]
    for k, u in enumerate(drives):
        if not u.is_floating_point():
            raise ValueError(f"drive {k} of block {block} is {u.dtype}, and must be real numbers")
        if shapes is not None and tuple(u.shape[1:]) != shapes[k]:
            raise ValueError(
                f"drive {k} of block {block} has shape {list(u.shape)}, and must be "
                f"(batch, {', '.join(map(str, shapes[k]))})"
            )
        if u.shape[:1] != batch:
            raise ValueError(
                f"drive {k} of block {block} has a batch of {u.shape[0]}, drive 0 one of {batch[0]}"
            )
    if batch and batch[0] == 0:
        raise ValueError(f"block {block} gets a batch of 0 samples, and needs at least one")


def one_hot(target: Tensor, like: Tensor) -> Tensor:
    """Integer labels (B,) as vectors (B, K) of the type of ``like``, (B, K); others as they are."""
    if target.is_floating_point() or target.dim() != 1:
        return target
    return F.one_hot(target, like.shape[1]).to(like.dtype)


def require_labels(logits: Tensor, target: Tensor) -> None:
    """Check labels (B,) of an integer type, or probabilities (B, K), against logits (B, K).

    Raises:
        ValueError: naming both shapes and the type.
    """
    floating = target.is_floating_point()
    shape = logits.shape if floating else logits.shape[:1]
    if logits.dim() != 2 or target.shape != shape or target.is_complex():
        raise ValueError(
            "cross_entropy takes logits (B, K) and integer labels (B,) or probabilities (B, K), "
            f"and gets logits of shape {list(logits.shape)} and a target of shape "
            f"{list(target.shape)}, {target.dtype}"
        )


def require_vectors(loss: str, prediction: Tensor, target: Tensor) -> None:
    """Check a target (B, K) of real numbers against a prediction of K entries per sample.

    Raises:
        ValueError: naming both shapes.
    """
    if target.shape != prediction.flatten(1).shape:
        raise ValueError(
            f"{loss} takes a prediction and a target of the same shape, and gets a prediction of "
            f"shape {list(prediction.shape)} and a target of shape {list(target.shape)}; labels "
            "for it are integers (B,)"
        )


def require_inputs(inputs: Sequence[Tensor], shapes: Mapping[str, Sequence[int]]) -> None:
    """Check a batch of each input against the shape of one sample.

    Raises:
        ValueError: naming the input and both shapes, or how many inputs there are.
    """
    if len(inputs) != len(shapes):
        raise ValueError(
            f"the network takes {len(shapes)} input{'s' * (len(shapes) > 1)}, "
            f"{', '.join(shapes)}, followed by a target, and gets {len(inputs)} tensors"
        )
    for x, (name, shape) in zip(inputs, shapes.items(), strict=True):
        if tuple(x.shape[1:]) != tuple(shape) or x.dim() == 0:
            raise ValueError(
                f"the network's input {name} has shape {list(x.shape)}, and must be "
                f"(batch, {', '.join(map(str, shape))})"
            )
        if x.shape[:1] != inputs[0].shape[:1]:
            raise ValueError(
                f"the network's input {name} has a batch of {len(x)}, its first input one of "
                f"{len(inputs[0])}"
            )
