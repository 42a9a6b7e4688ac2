"""Modules of PyTorch as ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import OpIR

if TYPE_CHECKING:
    from torch import nn


def torch_module(name: str) -> Callable[[OpIR], nn.Module]:
    """What makes ``torch.nn``'s module of that name, from the op's arguments in their order."""

    def make(op: OpIR) -> nn.Module:
        from torch import nn

        module: nn.Module = getattr(nn, name)(*op.arguments.values())
        return module

    return make
