"""What convolution and pooling of sequences share: a window that moves along [channels, length]."""

from __future__ import annotations

from collections.abc import Callable

from ffebm_dsl.constructs.ops._window import Window, padded_beyond_half
from ffebm_dsl.language.registry import (
    Arguments,
    Fit,
    Kind,
    Misfit,
    Parameter,
    SameAs,
    Shape,
    show_shape,
)
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE, NOT_NEGATIVE

KERNEL = Parameter("kernel", Kind.INT, "length of the window", bounds=AT_LEAST_ONE)
PADDING = Parameter("padding", Kind.INT, "places added at each end", 0, NOT_NEGATIVE)
POOLING = (
    KERNEL,
    Parameter("stride", Kind.INT, "step of the window", SameAs("kernel"), AT_LEAST_ONE),
    PADDING,
)
"""The parameters of a pooling op."""


def places(name: str, window: Window, shape: Shape) -> int | Misfit:
    """Places of the window along a sequence, for the op ``name``."""
    if len(shape) != 2:
        message = f"`{name}` takes [channels, length], and gets {show_shape(shape)}"
        return Misfit(message, wrong_rank=True)
    found = window.count(shape[1])
    if found >= 1:
        return found
    return Misfit(
        f"`{name}` with kernel {window.kernel} does not fit into {show_shape(shape)}",
        help="add `padding`, or use a smaller kernel",
    )


def pool_shape(name: str) -> Callable[[Arguments, Shape], Fit | Misfit]:
    """The shape rule of the pooling op ``name``."""

    def rule(arguments: Arguments, shape: Shape) -> Fit | Misfit:
        window = Window(arguments["kernel"], arguments["stride"], arguments["padding"])
        found = places(name, window, shape)
        if isinstance(found, Misfit):
            return found
        return padded_beyond_half(name, window) or Fit(
            (shape[0], found), f"{name}: {shape[1]} -> {found}"
        )

    return rule
