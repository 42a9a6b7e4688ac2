"""Shared parts of convolutions in one and two dimensions."""

from __future__ import annotations

from math import prod

from ffebm_dsl.constructs.ops._weights import DRAWING
from ffebm_dsl.language.registry import Arguments, Kind, Misfit, OpIR, Parameter, Shape
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE
from ffebm_dsl.physics.interfaces import Stencil

SLIDING = ("kernel", "stride", "padding", "dilation")
"""The parameters that say how the window moves."""


def parameters(kernel: Parameter, padding: Parameter) -> tuple[Parameter, ...]:
    """All parameters, with the two whose description and kind depend on the dimension."""
    return (
        Parameter("out_channels", Kind.INT, "number of output channels", bounds=AT_LEAST_ONE),
        kernel,
        Parameter("stride", kernel.kind, "step of the window", 1, AT_LEAST_ONE),
        padding,
        Parameter("dilation", kernel.kind, "spacing inside the window", 1, AT_LEAST_ONE),
        Parameter("groups", Kind.INT, "groups of channels kept apart", 1, AT_LEAST_ONE),
        Parameter("bias", Kind.BOOL, "learn a bias", True),
        *DRAWING,
    )


def stencil(arguments: Arguments, shape: Shape) -> Stencil:
    """The stencil for inputs of this ``shape``."""
    return Stencil.of(len(shape) - 1, *(arguments[name] for name in (*SLIDING, "groups")))


def undivided(arguments: Arguments, shape: Shape) -> Misfit | None:
    """The error if the groups do not divide the channels of input or output; otherwise None."""
    groups, out = arguments["groups"], arguments["out_channels"]
    for count, role in ((shape[0], "input"), (out, "output")):
        if count % groups:
            return Misfit(f"`groups={groups}` does not divide the {count} {role} channels")
    return None


def count_parameters(op: OpIR) -> int:
    """The number of weights and biases."""
    return op.out_shape[0] * (_fan_in(op) + op.arguments["bias"])


def count_macs(op: OpIR) -> int:
    """Multiply-accumulates for one sample."""
    return prod(op.out_shape) * _fan_in(op)


def _fan_in(op: OpIR) -> int:
    """Number of inputs of each output."""
    window = stencil(op.arguments, op.in_shape)
    return op.in_shape[0] // window.groups * window.taps
