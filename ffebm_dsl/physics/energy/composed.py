"""Chains of linear ops, composed where that takes less work, and packed for a phase.

Weight gradients are computed from the original ops: once per phase, that costs little.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ffebm_dsl.physics.energy.chain_derivatives import Bound
from ffebm_dsl.physics.energy.kernels import DenseOnImages, convolution
from ffebm_dsl.physics.interfaces import BoundOp, Composed, Stencil, Weights, compositions, joined


def composed(ops: Sequence[Bound], batch: int) -> list[Bound]:
    """The ops of a chain, packed for ``batch`` samples and composed where that takes less work."""
    short: list[Bound] = []
    for group in compositions([op.op if isinstance(op, BoundOp) else op for op in ops]):
        members = [op for k in group if isinstance(op := ops[k], BoundOp)]
        if not members:
            short += [ops[k] for k in group]
        elif len(members) == 1:
            short.append(members[0].op.packed(members[0].weights, batch))
        else:
            short.append(_one(members, batch))
    return short


def _one(members: Sequence[BoundOp], batch: int) -> BoundOp:
    """The composition of ops."""
    op, last = Composed([member.op for member in members]), members[-1]
    if members[0].op.reshapes:
        matrix = last.op.matrix(last.weights)
        assert matrix is not None
        bias = {key: w for key, w in last.weights.items() if key == "bias"}
        return DenseOnImages(op, {"weight": matrix, **bias})
    stencil, weights = members[0].op.stencil(), _own(members[0])
    for member in members[1:]:
        after = member.op.stencil()
        assert stencil is not None and after is not None
        weights = _behind(weights, stencil, member, after)
        stencil = joined(stencil, after)
    assert stencil is not None
    return convolution(op, weights, stencil, batch)


def _own(member: BoundOp) -> dict[str, Tensor]:
    bias = {key: w for key, w in member.weights.items() if key == "bias"}
    return {"weight": member.op.kernel(member.weights), **bias}


def _behind(
    weights: Weights, stencil: Stencil, member: BoundOp, after: Stencil
) -> dict[str, Tensor]:
    """Kernel and bias of a convolution followed by ``member``."""
    first, bias = weights["weight"], weights.get("bias")
    second = member.op.kernel(member.weights).to(first)
    constant = member.weights.get("bias")
    stride = [a * b for a, b in zip(stencil.stride, after.dilation, strict=True)]
    dilation = stencil.dilation
    if after.groups == 1:
        kernel = F.conv_transpose2d(second, first, None, stride, 0, 0, 1, dilation)
        carried = None if bias is None else second.sum((2, 3)) @ bias
    else:  # each channel by itself
        channels, copies = len(second), len(second) // len(first)
        first = first.repeat_interleave(copies, 0)
        kernel = F.conv_transpose2d(
            second.transpose(0, 1), first, None, stride, 0, 0, channels, dilation
        ).unflatten(1, (channels, -1))[0]
        carried = None
        if bias is not None:
            carried = second.sum((1, 2, 3)) * bias.repeat_interleave(copies)
    biases = [b for b in (carried, constant) if b is not None]
    return {"weight": kernel, **({"bias": torch.stack(biases).sum(0)} if biases else {})}
