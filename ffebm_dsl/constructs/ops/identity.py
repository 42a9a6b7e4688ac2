"""``identity``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import OpConstruct, OpIR

if TYPE_CHECKING:
    from torch import nn

    from ffebm_dsl.physics.energy import CouplingOp


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.Identity()


def _coupling(op: OpIR) -> CouplingOp:
    from ffebm_dsl.physics.energy import Identical

    return Identical(op.in_shape)


CONSTRUCT = OpConstruct(
    "identity",
    "the input as it is",
    equation="y = x",
    module=_module,
    coupling=_coupling,
    does_nothing=lambda op: True,
)
