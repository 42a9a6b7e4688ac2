"""How near a gradient in a lower precision is to that in float64, on the same weights and batch."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from ffebm_dsl.physics.gradients.compare import compare
from ffebm_dsl.physics.network import HybridNetwork, Outcome, in_full_precision

NEGLIGIBLE = 1e-7
"""A tensor's gradient below this part of the largest one's norm is not judged: it is rounding."""


@dataclass(frozen=True)
class Nearness:
    """The worst over the parameters: least cosine, largest relative error."""

    cosine: float
    relative_error: float


@dataclass(frozen=True)
class Accuracy:
    """Against float64: the gradient as the phases are set, and that in full precision.

    float64 takes the same sweeps by the same estimator, from weights rounded to float32.
    """

    as_set: Nearness
    in_full: Nearness


def accuracy(network: HybridNetwork, x: Tensor, y: Tensor) -> Accuracy:
    """Of the present estimators' gradients of the mean loss on the batch ``x``, ``y``."""
    exact = copy.deepcopy(network).double()
    target = y.double() if y.is_floating_point() else y
    reference = gradients(exact, x.double(), target)
    as_set = nearness(gradients(network, x, y), reference)
    with in_full_precision(network):
        return Accuracy(as_set, nearness(gradients(network, x, y), reference))


def gradients(network: HybridNetwork, x: Tensor, y: Tensor) -> list[Tensor]:
    """Of the mean loss, for the parameters that require a gradient, in their order."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    outcome = network(x, y)
    assert isinstance(outcome, Outcome)
    return list(
        torch.autograd.grad(outcome.loss, parameters, allow_unused=True, materialize_grads=True)
    )


def nearness(found: list[Tensor], reference: list[Tensor]) -> Nearness:
    """The worst of the pairs; two gradients that are both negligible count as equal."""
    floor = NEGLIGIBLE * max((float(g.norm()) for g in reference), default=0.0)
    pairs = [compare(a, b, floor=floor) for a, b in zip(found, reference, strict=True)]
    return Nearness(
        min((pair.cosine for pair in pairs), default=1.0),
        max((pair.relative_error for pair in pairs), default=0.0),
    )
