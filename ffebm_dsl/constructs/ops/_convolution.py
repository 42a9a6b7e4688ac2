"""What convolutions of one and of two dimensions share."""

from __future__ import annotations

from math import prod

from ffebm_dsl.constructs.ops._weights import DRAWING
from ffebm_dsl.language.registry import Arguments, Kind, Misfit, OpIR, Parameter, Shape
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE

SLIDING = ("kernel", "stride", "padding", "dilation")
"""The parameters that say how the window moves."""


def parameters(kernel: Parameter, padding: Parameter) -> tuple[Parameter, ...]:
    """All of them, with these two, whose words depend on the dimension."""
    return (
        Parameter("out_channels", Kind.INT, "number of output channels", bounds=AT_LEAST_ONE),
        kernel,
        Parameter("stride", Kind.INT, "step of the window", 1, AT_LEAST_ONE),
        padding,
        Parameter("dilation", Kind.INT, "spacing inside the window", 1, AT_LEAST_ONE),
        Parameter("groups", Kind.INT, "groups of channels kept apart", 1, AT_LEAST_ONE),
        Parameter("bias", Kind.BOOL, "learn a bias", True),
        *DRAWING,
    )


def undivided(arguments: Arguments, shape: Shape) -> Misfit | None:
    """What is wrong where the groups do not divide the channels of an input or of the output."""
    groups, out = arguments["groups"], arguments["out_channels"]
    for count, role in ((shape[0], "input"), (out, "output")):
        if count % groups:
            return Misfit(f"`groups={groups}` does not divide the {count} {role} channels")
    return None


def count_parameters(op: OpIR) -> int:
    """Weights and biases."""
    return op.out_shape[0] * (_fan_in(op) + op.arguments["bias"])


def count_macs(op: OpIR) -> int:
    """Multiply-accumulates of a sample."""
    return prod(op.out_shape) * _fan_in(op)


def _fan_in(op: OpIR) -> int:
    """Numbers that each output reads."""
    taps: int = op.arguments["kernel"] ** (len(op.in_shape) - 1)
    return op.in_shape[0] // op.arguments["groups"] * taps
