"""Constructs of terms of a layer and of devices, and the keys of ``hardware``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ffebm_dsl.language.registry.construct import Construct
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE, Kind, Parameter
from ffebm_dsl.language.registry.shapes import Arguments, Shape


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
    count_macs: Callable[[Arguments, Shape], int] = lambda arguments, shape: 0
    ranks: tuple[int, ...] = (1, 2, 3)
    outgrows: bool = False


@dataclass(frozen=True, kw_only=True)
class NoiseConstruct(Construct):
    """Noise that is drawn anew in every sweep of a phase.

    ``make``: arguments -> :class:`ffebm_dsl.physics.interfaces.Noise`.
    """

    make: Callable[[Arguments], Any]


@dataclass(frozen=True, kw_only=True)
class ArrayConstruct(Construct):
    """An array of analog memory that holds weights.

    Attributes:
        make: arguments -> :class:`ffebm_dsl.physics.interfaces.Array`; None for an ideal one.
        asymmetric: whether, with these arguments, the two directions of a coupling differ.
        drawn: whether, with these arguments, one array differs from the next of its kind.
    """

    make: Callable[[Arguments], Any]
    asymmetric: Callable[[Arguments], bool] = lambda arguments: False
    drawn: Callable[[Arguments], bool] = lambda arguments: True


@dataclass(frozen=True, kw_only=True)
class ConverterConstruct(Construct):
    """A converter between the digital and the analog side.

    Attributes:
        make: arguments -> :class:`ffebm_dsl.physics.interfaces.Converter`; None for an ideal one.
        into_analog: whether it converts digital numbers; None where that does not matter.
    """

    make: Callable[[Arguments], Any]
    into_analog: bool | None = None


HARDWARE = Construct(
    "hardware",
    "a device that energies can be on",
    (
        Parameter("weights", Kind.CALL, "what holds the weights", "ideal", table="arrays"),
        Parameter(
            "noise",
            Kind.CALLS,
            "noise that is drawn in every sweep, beside the noise of the phase",
            (),
            table="noises",
        ),
        *(
            Parameter(name, Kind.CALL, f"what {passing}", "ideal", table="converters")
            for name, passing in (
                ("drives", "drives pass on their way in"),
                ("outputs", "states pass on their way out"),
                ("cotangents", "nudges pass on their way in"),
                ("updates", "states pass on their way to the update of weights"),
            )
        ),
        Parameter(
            "update_offset",
            Kind.REAL,
            "standard deviation, over weights, of a fixed error of every measured contrast",
            0.0,
            NOT_NEGATIVE,
        ),
        Parameter("seed", Kind.INT, "which device of its kind it is", 0, NOT_NEGATIVE),
    ),
)
