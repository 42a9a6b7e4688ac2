"""The keys that couplings and drives share."""

from ffebm_dsl.language.registry import Kind, Parameter

NONNEGATIVE = Parameter(
    "nonnegative",
    Kind.BOOL,
    "keep every weight of the ops at or above 0, as conductances are; biases are free",
    False,
)
