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

    Calling the module returns its current weights, and runs the hooks of ``torch.nn.utils``: a
    parametrisation computes the weight, a pruning hook masks it.

    With ``backward`` the op has further weights, ``backward_weight`` beside ``weight``, in its
    shape: those whose transpose acts on the way back through a coupling. A bias has none.

    With ``tied_to`` it has no parameters and returns the weights of that other module.

    Raises:
        ValueError: the other module lacks the weights of this op, or their shapes differ.
    """

    def __init__(
        self, op: CouplingOp, *, backward: bool = False, tied_to: OpWeights | None = None
    ) -> None:
        super().__init__()
        self.op = op
        # In a tuple, which torch does not search: the parameters are the other module's alone.
        self._tied_to = () if tied_to is None else (tied_to,)
        shapes = op.weight_shapes() if isinstance(op, LinearOp) else {}
        if backward:
            own = {f"{BACKWARD}{key}": s for key, s in shapes.items() if key != "bias"}
            shapes = shapes | own
        self._names = tuple(shapes)
        if tied_to is not None:
            found = {name: tuple(w.shape) for name, w in tied_to().items()}
            if found != {name: tuple(shape) for name, shape in shapes.items()}:
                raise ValueError(f"weights of shapes {found} cannot be those of {op!r}")
            return
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw initial values as PyTorch's own layers do: uniform on +-1/sqrt(fan in)."""
        reset(self)

    def forward(self) -> dict[str, Tensor]:
        for other in self._tied_to:
            return other()
        return {name: getattr(self, name) for name in self._names}

    def extra_repr(self) -> str:
        return f"{type(self.op).__name__}: {list(self.op.in_shape)} -> {list(self.op.out_shape)}"
