"""``groups = [scale(part)]``."""

from ffebm_dsl.language.registry import Construct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE, POSITIVE

CONSTRUCT = Construct(
    "scale",
    "factors of the optimizer's settings for a part of the model",
    (
        Parameter(
            "part",
            Kind.PART,
            "a block, a map, coupling, drive or term of one, a map, the readout",
        ),
        Parameter("lr", Kind.REAL, "factor of the learning rate", 1.0, POSITIVE),
        Parameter("weight_decay", Kind.REAL, "factor of the decay", 1.0, NOT_NEGATIVE),
    ),
)
