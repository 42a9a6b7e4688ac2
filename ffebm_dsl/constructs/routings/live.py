"""``routing = live``."""

from ffebm_dsl.language.registry import Construct

CONSTRUCT = Construct("live", "max pooling in couplings follows the state throughout")
