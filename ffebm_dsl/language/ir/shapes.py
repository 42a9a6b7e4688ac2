"""Shape arithmetic of the ops: one rule per op of the registry, shapes without batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType
from typing import NamedTuple

from ffebm_dsl.language.ir.model import Shape, Value
from ffebm_dsl.language.ir.scope import MAX_INT

Arguments = Mapping[str, Value]


class Fit(NamedTuple):
    """The shape that an op gives; ``note`` is the arithmetic in words, where there is any."""

    shape: Shape
    note: str = ""


class Misfit(NamedTuple):
    """Why an op cannot take a shape. ``wrong_rank``: it takes none of that many sizes.

    ``before`` is an op after which it would fit, ``instead`` one that takes the shape.
    """

    message: str
    help: str = ""
    wrong_rank: bool = False
    before: str = ""
    instead: str = ""


Rule = Callable[[Arguments, Shape], Fit | Misfit]


def show_shape(shape: Shape) -> str:
    return f"[{', '.join(str(size) for size in shape)}]"


def _integer(arguments: Arguments, name: str) -> int:
    value = arguments[name]
    assert isinstance(value, int)
    return value


def _needs_image(name: str, shape: Shape) -> Misfit | None:
    if len(shape) == 3:
        return None
    return Misfit(
        f"`{name}` takes [channels, height, width], and gets {show_shape(shape)}", wrong_rank=True
    )


def _needs_vector(name: str, shape: Shape) -> Misfit | None:
    if len(shape) == 1:
        return None
    message = f"`{name}` takes a vector, and gets {show_shape(shape)}"
    return Misfit(message, "put `flatten()` before it", wrong_rank=True, before="flatten()")


class _Window(NamedTuple):
    """A window of one size that moves over rows and columns."""

    kernel: int
    stride: int
    padding: int
    dilation: int = 1

    def count(self, size: int) -> int:
        """Places of the window along a side; 0 or less where it does not fit."""
        span = self.dilation * (self.kernel - 1) + 1
        return (size + 2 * self.padding - span) // self.stride + 1

    def arithmetic(self, size: int) -> str:
        span = self.dilation * (self.kernel - 1) + 1
        return f"({size} + 2*{self.padding} - {span})/{self.stride} + 1 = {self.count(size)}"


def _slide(name: str, window: _Window, shape: Shape) -> tuple[int, int] | Misfit:
    rows, columns = window.count(shape[1]), window.count(shape[2])
    if rows >= 1 and columns >= 1:
        return rows, columns
    return Misfit(
        f"`{name}` with kernel {window.kernel} does not fit into {show_shape(shape)}",
        help="add `padding`, or use a smaller kernel",
    )


def _conv2d(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    wrong = _needs_image("conv2d", shape)
    if wrong:
        return wrong
    window = _Window(*(_integer(arguments, n) for n in ("kernel", "stride", "padding", "dilation")))
    groups, out = _integer(arguments, "groups"), _integer(arguments, "out_channels")
    for count, role in ((shape[0], "input"), (out, "output")):
        if count % groups:
            return Misfit(f"`groups={groups}` does not divide the {count} {role} channels")
    size = _slide("conv2d", window, shape)
    if isinstance(size, Misfit):
        return size
    return Fit((out, *size), _note("conv2d", window, shape))


def _note(name: str, window: _Window, shape: Shape) -> str:
    if shape[1] == shape[2]:
        return f"{name}: {window.arithmetic(shape[1])}"
    return f"{name}: rows {window.arithmetic(shape[1])}, columns {window.arithmetic(shape[2])}"


def _pool(name: str) -> Rule:
    def rule(arguments: Arguments, shape: Shape) -> Fit | Misfit:
        wrong = _needs_image(name, shape)
        if wrong:
            return wrong
        window = _Window(*(_integer(arguments, n) for n in ("kernel", "stride", "padding")))
        if 2 * window.padding > window.kernel:
            return Misfit(
                f"`{name}`'s padding of {window.padding} is more than half of "
                f"its kernel of {window.kernel}"
            )
        size = _slide(name, window, shape)
        if isinstance(size, Misfit):
            return size
        if window.stride != window.kernel or window.padding:
            return Fit((shape[0], *size), _note(name, window, shape))
        ends = f"{shape[1]} -> {size[0]}"
        if shape[1] != shape[2]:
            ends = f"{shape[1]} x {shape[2]} -> {size[0]} x {size[1]}"
        return Fit((shape[0], *size), f"{name}({window.kernel}): {ends}")

    return rule


def _adaptive_avg_pool2d(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    size = _integer(arguments, "size")
    return _needs_image("adaptive_avg_pool2d", shape) or Fit((shape[0], size, size))


def _linear(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    return _needs_vector("linear", shape) or Fit((_integer(arguments, "out_features"),))


def _flatten(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    return Fit((prod(shape),), f"flatten: {'*'.join(map(str, shape))} = {prod(shape)}")


def _batch_norm1d(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    wrong = _needs_vector("batch_norm1d", shape)
    return _use("batch_norm2d", wrong, 3, shape) if wrong else Fit(shape)


def _batch_norm2d(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    wrong = _needs_image("batch_norm2d", shape)
    return _use("batch_norm1d", wrong, 1, shape) if wrong else Fit(shape)


def _use(other: str, wrong: Misfit, rank: int, shape: Shape) -> Misfit:
    """``wrong``, with the op to use instead, which takes ``rank`` sizes."""
    return Misfit(wrong.message, f"use `{other}`", True, instead=other * (len(shape) == rank))


def _group_norm(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    groups = _integer(arguments, "groups")
    if shape[0] % groups:
        return Misfit(f"`groups={groups}` does not divide the {shape[0]} channels")
    return Fit(shape)


def _same(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    return Fit(shape)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "conv2d": _conv2d,
        "linear": _linear,
        "max_pool2d": _pool("max_pool2d"),
        "avg_pool2d": _pool("avg_pool2d"),
        "adaptive_avg_pool2d": _adaptive_avg_pool2d,
        "flatten": _flatten,
        "identity": _same,
        "batch_norm1d": _batch_norm1d,
        "batch_norm2d": _batch_norm2d,
        "layer_norm": _same,
        "group_norm": _group_norm,
        "relu": _same,
        "gelu": _same,
        "silu": _same,
        "tanh": _same,
        "sigmoid": _same,
        "hard_sigmoid": _same,
        "dropout": _same,
    }
)
"""A rule for every op of the registry, held by a test."""


def apply_op(name: str, arguments: Arguments, shape: Shape) -> Fit | Misfit:
    """The shape after an op, or why there is none."""
    fit = RULES[name](arguments, shape)
    if isinstance(fit, Fit) and prod(fit.shape) > MAX_INT:
        return Misfit(f"`{name}` gives {show_shape(fit.shape)}: more than {MAX_INT} entries")
    return fit
