"""Modules of PyTorch as ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import OPS, OpIR

if TYPE_CHECKING:
    from torch import nn


def torch_module(name: str) -> Callable[[OpIR], nn.Module]:
    """What makes ``torch.nn``'s module of that name, with the op's arguments in their order."""

    def make(op: OpIR) -> nn.Module:
        from torch import nn

        # By the order of the construct: an op made in Python may have them in another.
        given = (op.arguments[argument] for argument in OPS[op.name].names)
        module: nn.Module = getattr(nn, name)(*given)
        return module

    return make
