"""Initial weights, drawn from a generator that is passed in.

An initialiser sets the weight of every module that has one of outputs by inputs, such as a
convolution or a dense layer. Biases and normalisation layers get PyTorch's defaults.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import torch
from torch import Generator, Tensor, nn

from ffebm_dsl.physics.energy import LayerTerm, OpWeights

Draw = Callable[[Tensor, Generator], None]
"""Fills a weight (outputs, ...inputs) in place, drawing from the generator alone."""


def initialise(
    module: nn.Module,
    draw: Draw,
    generator: Generator,
    own: Mapping[nn.Module, Draw] = MappingProxyType({}),
) -> None:
    """Set the weights of ``module`` by ``draw`` and its biases by default.

    ``own`` are submodules that are drawn in another way, with all that they contain.

    Weights are the matrices and kernels of digital maps, and all parameters of couplings and
    terms but the biases. They are drawn on the CPU in float64, so that a seed gives the same
    network in every precision and on every device.
    """
    draws = {part: how for whole, how in own.items() for part in whole.modules()}
    with torch.no_grad():
        for part, weights, bias in _weights(module):
            fan_in = 1
            for weight in weights:
                drawn = torch.empty(weight.shape, dtype=torch.float64)
                draws.get(part, draw)(drawn, generator)
                weight.copy_(drawn)
                fan_in = drawn[0].numel()
            if bias is not None:
                bound = 1 / math.sqrt(fan_in)
                noise = torch.empty(bias.shape, dtype=torch.float64)
                # A bias alone, of a term, breaks no symmetry, and begins at zero.
                drawn = (
                    noise.uniform_(-bound, bound, generator=generator) if weights else noise.zero_()
                )
                bias.copy_(drawn)


def _weights(module: nn.Module) -> Iterator[tuple[nn.Module, list[Tensor], Tensor | None]]:
    """Every submodule with weights, its weights, and its bias."""
    for part in module.modules():
        own = dict(part.named_parameters(recurse=False))
        bias = own.pop("bias", None)
        if isinstance(part, OpWeights | LayerTerm):
            yield part, list(own.values()), bias
            continue
        weight = own.get("weight")
        # The scale and shift of a normalisation have one shape.
        if (
            weight is not None
            and weight.dim() >= 2
            and (bias is None or bias.shape == weight.shape[:1])
        ):
            yield part, [weight], bias
