"""Initial weights, drawn from a generator that is passed in.

An initialiser sets the weight of every convolution and dense layer of a module. Biases
and normalisation layers get PyTorch's defaults.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ffebm_dsl.physics.energy import Conv2d, Linear

WEIGHTED = (nn.Conv2d, nn.Linear, Conv2d, Linear)


def default(weight: Tensor, generator: Generator) -> None:
    """PyTorch's default for conv2d and linear: uniform on +-1/sqrt(fan in)."""
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)


def goe(weight: Tensor, generator: Generator, *, variance: float, diagonal: str) -> None:
    """Spatially symmetric kernels in the manner of the Gaussian orthogonal ensemble.

    For kernels of k x k: off-diagonal entries have variance ``variance / k``, diagonal ones
    ``2 variance / k`` (``diagonal="meant"``), or ``8 variance / k`` (``"published"``: what
    the code of arXiv 2409.03306 draws). Dense layers keep PyTorch's default.
    """
    if weight.dim() != 4:
        default(weight, generator)
        return
    k = weight.shape[-1]
    std = math.sqrt(variance / k)
    drawn = weight.normal_(0.0, std, generator=generator)
    upper = torch.triu(drawn, diagonal=1)
    main = torch.diag_embed(torch.diagonal(drawn, dim1=-2, dim2=-1))
    factor = math.sqrt(2.0) if diagonal == "meant" else 2 * math.sqrt(2.0)
    weight.copy_(upper + upper.mT + factor * main)


def normal(weight: Tensor, generator: Generator, *, std: float) -> None:
    """Independent normal entries of standard deviation ``std``."""
    weight.normal_(0.0, std, generator=generator)


def xavier_uniform(weight: Tensor, generator: Generator, *, gain: float) -> None:
    """Glorot & Bengio 2010, uniform."""
    nn.init.xavier_uniform_(weight, gain=gain, generator=generator)


def kaiming_normal(weight: Tensor, generator: Generator, *, gain: float) -> None:
    """He et al. 2015: normal entries of standard deviation ``gain / sqrt(fan in)``."""
    weight.normal_(0.0, gain / math.sqrt(weight[0].numel()), generator=generator)


def orthogonal(weight: Tensor, generator: Generator, *, gain: float) -> None:
    """Saxe et al. 2013: (semi-)orthogonal over the flattened inputs."""
    nn.init.orthogonal_(weight, gain=gain, generator=generator)


INITIALISERS: dict[str, Callable[..., None]] = {
    "default": default,
    "goe": goe,
    "kaiming_normal": kaiming_normal,
    "normal": normal,
    "orthogonal": orthogonal,
    "xavier_uniform": xavier_uniform,
}


def initialise(
    module: nn.Module, name: str, arguments: Mapping[str, Any], generator: Generator
) -> None:
    """Set the weights of ``module`` by the initialiser ``name`` and its biases by default.

    Drawn on the CPU in float64, so that a seed means the same network in every precision
    and on every device.
    """
    with torch.no_grad():
        for part in module.modules():
            if not isinstance(part, WEIGHTED):
                continue
            draw = torch.empty(part.weight.shape, dtype=torch.float64)
            INITIALISERS[name](draw, generator, **arguments)
            part.weight.copy_(draw)
            if part.bias is not None:
                bound = 1 / math.sqrt(draw[0].numel())
                noise = torch.empty(part.bias.shape, dtype=torch.float64)
                part.bias.copy_(noise.uniform_(-bound, bound, generator=generator))
