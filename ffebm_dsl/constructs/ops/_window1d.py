"""Shared parts of convolution and pooling of sequences: a window along [channels, length]."""

from __future__ import annotations

from collections.abc import Callable

from ffebm_dsl.constructs.ops._window import padded_beyond_half, pooling, slide
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
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE, Bounds

KERNEL = Parameter("kernel", Kind.INT, "length of the window", bounds=AT_LEAST_ONE)
PADDING = Parameter("padding", Kind.INT, "places added at each end", 0, Bounds(low=0, high=16384))
POOLING = (
    KERNEL,
    Parameter("stride", Kind.INT, "step of the window", SameAs("kernel"), AT_LEAST_ONE),
    PADDING,
)
"""The parameters of a pooling op."""


def not_a_sequence(name: str, shape: Shape) -> Misfit | None:
    """The error if op ``name`` cannot take ``shape`` as a sequence; otherwise None."""
    if len(shape) == 2:
        return None
    message = f"`{name}` takes [channels, length], and gets {show_shape(shape)}"
    return Misfit(message, wrong_rank=True)


def pool_shape(name: str) -> Callable[[Arguments, Shape], Fit | Misfit]:
    """The shape rule of the pooling op ``name``."""

    def rule(arguments: Arguments, shape: Shape) -> Fit | Misfit:
        window = pooling(arguments, 1)
        wrong = not_a_sequence(name, shape) or padded_beyond_half(name, window)
        if wrong:
            return wrong
        size = slide(name, window, shape)
        if isinstance(size, Misfit):
            return size
        return Fit((shape[0], *size), f"{name}: {shape[1]} -> {size[0]}")

    return rule
