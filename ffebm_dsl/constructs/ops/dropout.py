"""``dropout``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Kind, OpConstruct, OpIR, Parameter
from ffebm_dsl.language.registry.parameters import FRACTION

if TYPE_CHECKING:
    from torch import nn


def _module(op: OpIR) -> nn.Module:
    from ffebm_dsl.physics.network.whole_batch import Dropout

    return Dropout(op.arguments["p"])


CONSTRUCT = OpConstruct(
    "dropout",
    "in training, entries zeroed at random and the rest scaled up",
    (Parameter("p", Kind.REAL, "probability of a zero", 0.5, FRACTION),),
    equation="y = m x / (1 - p), each entry of m 0 with probability p, else 1; in evaluation y = x",
    source="Srivastava et al. 2014 (JMLR 15)",
    module=_module,
    random=True,
)
