"""Shared parts of convolution and pooling: a window that moves over rows and columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ffebm_dsl.language.registry import (
    Arguments,
    Fit,
    Kind,
    Misfit,
    OpIR,
    Parameter,
    SameAs,
    Shape,
    show_shape,
)
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE, Bounds
from ffebm_dsl.language.registry.shapes import not_an_image
from ffebm_dsl.physics.interfaces import Stencil, show_sizes

KERNEL = Parameter("kernel", Kind.PAIR, "size of the window", bounds=AT_LEAST_ONE)
# PyTorch's time grows with the padding, or its square, and it crashes at the largest ones.
PADDING = Parameter(
    "padding", Kind.PAIR, "rows and columns added on each side", 0, Bounds(low=0, high=1024)
)
STRIDE = Parameter("stride", Kind.PAIR, "step of the window", SameAs("kernel"), AT_LEAST_ONE)

POOLING = (KERNEL, STRIDE, PADDING)
"""The parameters of a pooling op."""


def pooling(arguments: Arguments, axes: int) -> Stencil:
    """The window of a pooling op."""
    return Stencil.of(axes, *(arguments[p.name] for p in POOLING))


class OverWindows:
    """What pooling ops have in common: a window that moves over each channel by itself."""

    def __init__(
        self,
        in_shape: Sequence[int],
        kernel: int | Sequence[int],
        *,
        stride: int | Sequence[int],
        padding: int | Sequence[int] = 0,
    ) -> None:
        channels, *sizes = self.in_shape = tuple(in_shape)
        self._window = Stencil.of(len(sizes), kernel, stride, padding, groups=channels)
        self.out_shape = (channels, *self._window.places(sizes))


def slide(name: str, window: Stencil, shape: Shape) -> tuple[int, ...] | Misfit:
    """Number of positions of the window along each axis of ``shape``, for the op ``name``."""
    places = window.places(shape[1:])
    if min(places) < 1:
        kernel = show_sizes(window.kernel)
        return Misfit(
            f"`{name}` with kernel {kernel} does not fit into {show_shape(shape)}",
            help="add `padding`, or use a smaller kernel",
        )
    padded = [n + 2 * p for n, p in zip(shape[1:], window.padding, strict=True)]
    if all(stride <= n for stride, n in zip(window.stride, padded, strict=True)):
        return places
    # PyTorch divides by zero at the largest of them.
    longest = show_sizes([min(pair) for pair in zip(window.stride, padded, strict=True)])
    return Misfit(
        f"`{name}` with stride {show_sizes(window.stride)} steps over all of {show_shape(shape)}",
        help=f"`stride={longest}` has the same result",
    )


def note(name: str, window: Stencil, shape: Shape) -> str:
    """The arithmetic of :func:`slide` over an image in words."""
    places = zip(
        shape[1:],
        window.padding,
        window.span,
        window.stride,
        window.places(shape[1:]),
        strict=True,
    )
    rows, columns = (f"({n} + 2*{p} - {k})/{s} + 1 = {found}" for n, p, k, s, found in places)
    return f"{name}: {rows}" if rows == columns else f"{name}: rows {rows}, columns {columns}"


def padded_beyond_half(name: str, window: Stencil) -> Misfit | None:
    """The error if windows of the pooling op ``name`` can contain only padding; otherwise None."""
    if all(2 * p <= k for p, k in zip(window.padding, window.kernel, strict=True)):
        return None
    return Misfit(
        f"`{name}`'s padding of {show_sizes(window.padding)} is more than half of its kernel of "
        f"{show_sizes(window.kernel)}"
    )


def pool_shape(name: str) -> Callable[[Arguments, Shape], Fit | Misfit]:
    """The shape rule of the pooling op ``name``."""

    def rule(arguments: Arguments, shape: Shape) -> Fit | Misfit:
        wrong = not_an_image(name, shape)
        if wrong:
            return wrong
        window = pooling(arguments, 2)
        too_much = padded_beyond_half(name, window)
        if too_much:
            return too_much
        size = slide(name, window, shape)
        if isinstance(size, Misfit):
            return size
        if window.stride != window.kernel or any(window.padding):
            return Fit((shape[0], *size), note(name, window, shape))
        ends = f"{shape[1]} -> {size[0]}"
        if shape[1] != shape[2] or size[0] != size[1]:
            ends = f"{shape[1]} x {shape[2]} -> {size[0]} x {size[1]}"
        return Fit((shape[0], *size), f"{name}({show_sizes(window.kernel)}): {ends}")

    return rule


def window_of_one(op: OpIR) -> bool:
    """Whether a pooling op has a window of one entry, so that it is the identity."""
    return all(op.arguments[key] == value for key, value in _ONE.items())


_ONE = {"kernel": 1, "stride": 1, "padding": 0}
