"""The parameters of an op of a coupling or a drive."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.interfaces import CouplingOp, LinearOp

BACKWARD = "backward_"
"""How the names of weights of the way back begin."""


def reset(module: nn.Module) -> None:
    """Draw a module's own parameters uniform on +-1/sqrt(fan in)."""
    fan_in = 1
    for name, parameter in module.named_parameters(recurse=False):
        if name != "bias":
            fan_in = max(1, parameter[0].numel())
        bound = 1 / math.sqrt(fan_in)
        nn.init.uniform_(parameter, -bound, bound)


class OpWeights(nn.Module):
    """The parameters of one op of a coupling, under the names that the op gives them.

    Calling the module gives its present weights. That runs what ``torch.nn.utils`` hangs on
    a module: a parametrisation computes the weight, a pruning hook masks it.

    With ``backward`` the op has further weights, ``backward_weight`` beside ``weight``, in its
    shape: those whose transpose acts on the way back through a coupling. A bias has none.
    """

    def __init__(self, op: CouplingOp, *, backward: bool = False) -> None:
        super().__init__()
        self.op = op
        shapes = op.weight_shapes() if isinstance(op, LinearOp) else {}
        if backward:
            own = {f"{BACKWARD}{key}": s for key, s in shapes.items() if key != "bias"}
            shapes = shapes | own
        self._names = tuple(shapes)
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw initial values as PyTorch's own layers do: uniform on +-1/sqrt(fan in)."""
        reset(self)

    def forward(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in self._names}

    def extra_repr(self) -> str:
        return f"{type(self.op).__name__}: {list(self.op.in_shape)} -> {list(self.op.out_shape)}"
