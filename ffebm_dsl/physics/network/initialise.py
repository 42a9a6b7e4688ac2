"""Initial weights, drawn from a generator that is passed in.

An initialiser sets the weight of every module that has one of outputs by inputs, such as a
convolution or a dense layer. Biases and normalisation layers get PyTorch's defaults.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Generator, Tensor, nn

Draw = Callable[[Tensor, Generator], None]
"""Fills a weight (outputs, ...inputs) in place, drawing from the generator alone."""


def initialise(module: nn.Module, draw: Draw, generator: Generator) -> None:
    """Set the weights of ``module`` by ``draw`` and its biases by default.

    Drawn on the CPU in float64, so that a seed means the same network in every precision
    and on every device.
    """
    with torch.no_grad():
        for weight, bias in _weights(module):
            drawn = torch.empty(weight.shape, dtype=torch.float64)
            draw(drawn, generator)
            weight.copy_(drawn)
            if bias is not None:
                bound = 1 / math.sqrt(drawn[0].numel())
                noise = torch.empty(bias.shape, dtype=torch.float64)
                bias.copy_(noise.uniform_(-bound, bound, generator=generator))


def _weights(module: nn.Module) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Every ``weight`` of outputs by inputs, with the ``bias`` of the outputs beside it."""
    for part in module.modules():
        weight, bias = getattr(part, "weight", None), getattr(part, "bias", None)
        if not isinstance(weight, Tensor) or weight.dim() < 2:
            continue
        # The scale and shift of a normalisation have one shape.
        if bias is None or bias.shape == weight.shape[:1]:
            yield weight, bias
