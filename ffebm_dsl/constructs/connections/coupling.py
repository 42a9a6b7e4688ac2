"""``s1 <-> s2 : ops { ... }``."""

from ffebm_dsl.constructs.connections._weights import NONNEGATIVE
from ffebm_dsl.language.registry import Construct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import NONZERO

FEEDBACK = Parameter(
    "feedback",
    Kind.REAL,
    "what the first layer feels of the second, as a multiple of the transpose; `own`: through a "
    "`backward_weight` of its own",
    1.0,
    NONZERO,
    choices=("own",),
)

ZERO_DIAGONAL = Parameter(
    "zero_diagonal",
    Kind.BOOL,
    "keep the diagonal of `s <-> s : linear()` at 0, so that no unit acts on itself",
    False,
)

TIED_TO = Parameter(
    "tied_to",
    Kind.STRING,
    "name of an earlier coupling of the block, such as `s1_s2`, whose weights and biases are used "
    "here too",
    "",
)

CONSTRUCT = Construct(
    "coupling",
    "a coupling of two layers, in both directions",
    (NONNEGATIVE, FEEDBACK, ZERO_DIAGONAL, TIED_TO),
    equation="s1 <-> s2 : A adds A(s1) to the pre-activation of s2 and k A^T s2 to that of s1, k "
    "the feedback; with `own` it adds B^T s2, B the ops of A with weights of their own. As k goes "
    "to 0, a block becomes a feedforward net, and EP in it backpropagation",
    source="scaled: arXiv 2508.11659 (FRE-RNN); weights of its own: Scellier et al. 2018, "
    "arXiv 1808.04873",
)
