"""Constructs of terms of one layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ffebm_dsl.language.registry.construct import Construct
from ffebm_dsl.language.registry.shapes import Arguments, Shape


def _no_numbers(arguments: Arguments, shape: Shape) -> int:
    return 0


@dataclass(frozen=True, kw_only=True)
class TermConstruct(Construct):
    """A term of one layer of an energy.

    Attributes:
        make: arguments and the layer's shape -> :class:`ffebm_dsl.physics.interfaces.Term`.
        count_parameters: of the same -> trainable numbers.
        count_macs: of the same -> multiply-accumulates of one pre-activation of one sample.
        ranks: how many sizes a layer that has it may have.
        outgrows: whether the term grows with the square of the states, or faster, so that the
            energy of a layer without bounds need not have a minimum.
    """

    make: Callable[[Arguments, Shape], Any]
    count_parameters: Callable[[Arguments, Shape], int]
    count_macs: Callable[[Arguments, Shape], int] = _no_numbers
    ranks: tuple[int, ...] = (1, 2, 3)
    outgrows: bool = False
