"""``routing = live``."""

from ffebm_dsl.language.registry import RoutingConstruct

CONSTRUCT = RoutingConstruct(
    "live",
    "max pooling in couplings follows the state throughout",
    freeze_after=lambda arguments: -1,
)
