"""``init goe``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import INITIALISERS, InitialiserConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _draw(weight: Tensor, generator: Generator, *, variance: float, diagonal: str) -> None:
    import torch

    if weight.dim() != 4:
        INITIALISERS["default"].draw(weight, generator)
        return
    drawn = weight.normal_(0.0, math.sqrt(variance / weight.shape[-1]), generator=generator)
    upper = torch.triu(drawn, diagonal=1)
    main = torch.diag_embed(torch.diagonal(drawn, dim1=-2, dim2=-1))
    factor = math.sqrt(2.0) if diagonal == "meant" else 2 * math.sqrt(2.0)
    weight.copy_(upper + upper.mT + factor * main)


CONSTRUCT = InitialiserConstruct(
    "goe",
    "k x k kernels symmetric in space, off-diagonal variance V/k; linear as in default",
    (
        Parameter("variance", Kind.REAL, "variance V of the ensemble", bounds=POSITIVE),
        Parameter(
            "diagonal",
            Kind.CHOICE,
            "diagonal variance 2V/k as meant, or 8V/k as in the paper's code",
            "meant",
            choices=("meant", "published"),
        ),
    ),
    equation="w[o,c,i,j] = w[o,c,j,i], normal; variance V/k for i != j, 2V/k for i = j",
    source="Gaussian orthogonal ensemble; for kernels: Nest and Ernoult 2024, arXiv 2409.03306",
    deviations=(
        "`diagonal=published` draws a diagonal of variance 8V/k, as the code of the paper does",
        "biases are drawn as in default; the code of the paper begins those of convolutions at 0",
    ),
    draw=_draw,
)
