"""What convolution and pooling share: a window that moves over rows and columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

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
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE, NOT_NEGATIVE
from ffebm_dsl.language.registry.shapes import not_an_image

KERNEL = Parameter("kernel", Kind.INT, "side of the square window", bounds=AT_LEAST_ONE)
PADDING = Parameter("padding", Kind.INT, "rows and columns added on each side", 0, NOT_NEGATIVE)
STRIDE = Parameter("stride", Kind.INT, "step of the window", SameAs("kernel"), AT_LEAST_ONE)

POOLING = (KERNEL, STRIDE, PADDING)
"""The parameters of a pooling op."""


class Window(NamedTuple):
    """A window of one size that moves over rows and columns."""

    kernel: int
    stride: int
    padding: int
    dilation: int = 1

    @property
    def span(self) -> int:
        return self.dilation * (self.kernel - 1) + 1

    @property
    def square(self) -> tuple[list[int], list[int], list[int]]:
        """Kernel, stride and padding for rows and columns."""
        return [self.kernel] * 2, [self.stride] * 2, [self.padding] * 2

    def count(self, size: int) -> int:
        """Places of the window along a side; 0 or less where it does not fit."""
        return (size + 2 * self.padding - self.span) // self.stride + 1

    def slide(self, name: str, shape: Shape) -> tuple[int, int] | Misfit:
        """Places of the window over the rows and columns of an image, for the op ``name``."""
        rows, columns = self.count(shape[1]), self.count(shape[2])
        if rows >= 1 and columns >= 1:
            return rows, columns
        return Misfit(
            f"`{name}` with kernel {self.kernel} does not fit into {show_shape(shape)}",
            help="add `padding`, or use a smaller kernel",
        )

    def note(self, name: str, shape: Shape) -> str:
        """The arithmetic of :meth:`count` in words."""
        if shape[1] == shape[2]:
            return f"{name}: {self._arithmetic(shape[1])}"
        rows, columns = self._arithmetic(shape[1]), self._arithmetic(shape[2])
        return f"{name}: rows {rows}, columns {columns}"

    def _arithmetic(self, size: int) -> str:
        return f"({size} + 2*{self.padding} - {self.span})/{self.stride} + 1 = {self.count(size)}"


def pooled(shape: Sequence[int], window: Window) -> tuple[int, ...]:
    """The shape that pooling an image by ``window`` gives."""
    return (shape[0], *(window.count(size) for size in shape[1:]))


def padded_beyond_half(name: str, window: Window) -> Misfit | None:
    """What is wrong where windows of the pooling op ``name`` may hold nothing but padding."""
    if 2 * window.padding <= window.kernel:
        return None
    return Misfit(
        f"`{name}`'s padding of {window.padding} is more than half of its kernel of {window.kernel}"
    )


def pool_shape(name: str) -> Callable[[Arguments, Shape], Fit | Misfit]:
    """The shape rule of the pooling op ``name``."""

    def rule(arguments: Arguments, shape: Shape) -> Fit | Misfit:
        wrong = not_an_image(name, shape)
        if wrong:
            return wrong
        window = Window(arguments["kernel"], arguments["stride"], arguments["padding"])
        too_much = padded_beyond_half(name, window)
        if too_much:
            return too_much
        size = window.slide(name, shape)
        if isinstance(size, Misfit):
            return size
        if window.stride != window.kernel or window.padding:
            return Fit((shape[0], *size), window.note(name, shape))
        ends = f"{shape[1]} -> {size[0]}"
        if shape[1] != shape[2]:
            ends = f"{shape[1]} x {shape[2]} -> {size[0]} x {size[1]}"
        return Fit((shape[0], *size), f"{name}({window.kernel}): {ends}")

    return rule


def window_of_one(op: OpIR) -> bool:
    """Whether a pooling op has a window of one entry, so that it is the identity."""
    return all(op.arguments[key] == value for key, value in _ONE.items())


_ONE = {"kernel": 1, "stride": 1, "padding": 0}
