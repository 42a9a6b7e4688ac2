"""The keys of ``hardware``."""

from __future__ import annotations

from ffebm_dsl.language.registry.construct import Construct
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE, Kind, Parameter

HARDWARE = Construct(
    "hardware",
    "a device that energies can be on",
    (
        Parameter("weights", Kind.CALL, "what holds the weights", "ideal", table="arrays"),
        Parameter(
            "noise",
            Kind.CALLS,
            "what is drawn anew in every sweep, beside the noise of the phase",
            (),
            table="noises",
        ),
        Parameter(
            "drives", Kind.CALL, "what drives pass on their way in", "ideal", table="converters"
        ),
        Parameter(
            "outputs", Kind.CALL, "what states pass on their way out", "ideal", table="converters"
        ),
        Parameter(
            "cotangents", Kind.CALL, "what nudges pass on their way in", "ideal", table="converters"
        ),
        Parameter(
            "updates",
            Kind.CALL,
            "what states pass on their way to the update of weights",
            "ideal",
            table="converters",
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
