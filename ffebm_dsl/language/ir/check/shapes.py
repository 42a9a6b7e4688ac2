"""Ops between shapes: the shape after an op, shapes without batch."""

from __future__ import annotations

from math import prod

from ffebm_dsl.language.ir.resolve.scope import MAX_INT
from ffebm_dsl.language.registry import OPS, Arguments, Fit, Misfit, Shape, show_shape


def apply_op(name: str, arguments: Arguments, shape: Shape) -> Fit | Misfit:
    """The shape after an op, or why there is none."""
    fit = OPS[name].shape(arguments, shape)
    if isinstance(fit, Fit) and prod(fit.shape) > MAX_INT:
        return Misfit(f"`{name}` gives {show_shape(fit.shape)}: more than {MAX_INT} entries")
    return fit
