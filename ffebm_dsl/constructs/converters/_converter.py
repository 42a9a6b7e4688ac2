"""Shared parts of converters."""

from __future__ import annotations

from ffebm_dsl.language.registry import Arguments, Bounds, Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE
from ffebm_dsl.physics.interfaces import Converter

PARAMETERS = (
    Parameter(
        "bits",
        Kind.INT,
        "resolution; for no loss at all write `ideal` in place of the call",
        bounds=Bounds(1, 24),
    ),
    Parameter(
        "range",
        Kind.REAL,
        "largest magnitude that is told apart; auto: 3 root mean squares over the first batches",
        "auto",
        POSITIVE,
        choices=("auto",),
    ),
)

EQUATION = (
    "x -> the nearest of n levels, both ends included, ties to the even one: n = 2^bits on "
    "[0, range] where the layer's states are never negative, n = 2^bits - 1 on [-range, range]; "
    "gradients as of a clip"
)


def make(arguments: Arguments) -> Converter:
    limit = arguments["range"]
    return Converter(arguments["bits"], None if limit == "auto" else float(limit))
