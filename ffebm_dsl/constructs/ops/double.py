"""``double``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, Fit, Misfit, OpConstruct, OpIR, Shape

if TYPE_CHECKING:
    from torch import nn


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    return Fit((2 * shape[0], *shape[1:]), f"double: 2*{shape[0]} = {2 * shape[0]} channels")


def _module(op: OpIR) -> nn.Module:
    import torch
    from torch import Tensor, nn

    class Double(nn.Module):
        """(B, C, ...) to (B, 2 C, ...): x, then -x."""

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x, -x], 1)

    return Double()


CONSTRUCT = OpConstruct(
    "double",
    "every channel twice, the second time with the opposite sign",
    equation="y = concat(x, -x) along features or channels",
    source="inputs of networks of positive conductances: Kendall et al. 2020, arXiv 2006.01981",
    module=_module,
    shape=_shape,
)
