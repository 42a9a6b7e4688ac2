"""``on_bad_step = skip_batch``."""

from ffebm_dsl.constructs.policies._limits import GROWTH, REMOVED
from ffebm_dsl.language.registry import Kind, Parameter, PolicyConstruct
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE

CONSTRUCT = PolicyConstruct(
    "skip_batch",
    "the batch is left out",
    (
        Parameter(
            "limit", Kind.INT, "maximum number of batches left out in an epoch", 10, AT_LEAST_ONE
        ),
        GROWTH,
    ),
    removed=REMOVED,
    skips=lambda arguments: int(arguments["limit"]),
)
