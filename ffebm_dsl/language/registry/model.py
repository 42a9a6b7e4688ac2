"""Entries of the model section: layers, energies, relaxation, gradients, losses, ends."""

from __future__ import annotations

from ffebm_dsl.language.registry.signature import (
    AT_LEAST_ONE,
    FRACTION,
    NOT_NEGATIVE,
    POSITIVE,
    Bounds,
    Kind,
    Parameter,
    Signature,
    table,
)

_SLOPE = Parameter("slope", Kind.REAL, "factor v of the argument", 1.0, POSITIVE)

ACTIVATIONS = table(
    Signature("hard_sigmoid", "clamp(v a, 0, 1)", (_SLOPE,)),
    Signature("relu", "max(v a, 0)", (_SLOPE,)),
    Signature("tanh", "tanh(v a)", (_SLOPE,)),
    Signature("sigmoid", "1 / (1 + exp(-v a))", (_SLOPE,)),
    Signature("identity", "a"),
)

ENERGIES = table(
    Signature("hopfield", "G(s) - phi(s, x), phi the sum of couplings, drives and biases")
)

_GAIN = Parameter("gain", Kind.REAL, "factor of the standard deviation", 1.0, POSITIVE)

INITIALISERS = table(
    Signature("default", "PyTorch's own initialisation of conv2d and linear"),
    Signature(
        "goe",
        "k x k kernels symmetric in space, off-diagonal variance V/k; linear as in default",
        (
            Parameter("variance", Kind.REAL, "variance V of the ensemble", bounds=POSITIVE),
            Parameter(
                "diagonal",
                Kind.CHOICE,
                "diagonal variance 2V/k as meant, or 8V/k as in the paper's code",
                "meant",
                choices=("meant", "published"),
            ),
        ),
    ),
    Signature(
        "normal",
        "normal weights",
        (Parameter("std", Kind.REAL, "standard deviation", bounds=POSITIVE),),
    ),
    Signature("xavier_uniform", "Glorot's uniform weights", (_GAIN,)),
    Signature("kaiming_normal", "He's normal weights", (_GAIN,)),
    Signature("orthogonal", "orthogonal weights", (_GAIN,)),
)

ORDERS = ("synchronous", "asynchronous", "asynchronous_reversed", "forward", "backward")

ROUTINGS = table(
    Signature("live", "max pooling in couplings follows the state throughout"),
    Signature(
        "frozen",
        "max pooling in couplings keeps its choices after some sweeps",
        (Parameter("after", Kind.INT, "sweeps until the choices stay", 20, NOT_NEGATIVE),),
    ),
)


SOLVERS = table(
    Signature("plain", "each sweep starts where the last one ended"),
    Signature(
        "anderson",
        "each sweep starts at a mixture of earlier ones that shortens the way",
        (Parameter("memory", Kind.INT, "differences of sweeps that are kept", 5, AT_LEAST_ONE),),
    ),
)

_START = Parameter(
    "start",
    Kind.CHOICE,
    "the states at first: zero, or what one pass from the first layer to the last gives",
    "zeros",
    choices=("zeros", "feedforward"),
)


def _relaxation(sweeps: int, fewest: int, tolerance: float, order: str) -> tuple[Parameter, ...]:
    return (
        Parameter("sweeps", Kind.INT, "most sweeps of the phase", sweeps, Bounds(low=fewest)),
        Parameter(
            "tolerance",
            Kind.REAL,
            "relative change of a sample's state below which it stops; 0: never before `sweeps`",
            tolerance,
            NOT_NEGATIVE,
        ),
        Parameter("order", Kind.CHOICE, "which layers move together", order, choices=ORDERS),
        Parameter("damping", Kind.REAL, "part of the old state that is kept", 0.0, FRACTION),
        Parameter(
            "over_relaxation",
            Kind.REAL,
            "how far a state moves, as a multiple of a plain sweep's step",
            1.0,
            Bounds(low=1.0, high=2.0, open_high=True),
        ),
        Parameter("routing", Kind.CALL, "choices of max pooling", "live", table="routing"),
        Parameter("solver", Kind.CALL, "what accelerates the sweeps", "plain", table="solvers"),
    )


PHASES = table(
    Signature(
        "free",
        "relaxation from zeros",
        (*_relaxation(100, 1, 1e-5, "asynchronous"), _START),
    ),
    Signature(
        "nudged",
        "relaxation from the free state, with the output nudged",
        _relaxation(20, 0, 0.0, "asynchronous_reversed"),
    ),
)

GRADIENTS = table(
    Signature(
        "ep",
        "equilibrium propagation",
        (
            Parameter("beta", Kind.REAL, "strength of the nudge", 0.2, POSITIVE),
            Parameter(
                "estimator",
                Kind.CHOICE,
                "nudged phases at +beta and -beta, at +beta, or at -beta",
                "centered",
                choices=("centered", "positive", "negative"),
            ),
            Parameter(
                "nudge",
                Kind.CHOICE,
                "nudge by the cotangent at the free state, or by the loss at the current state",
                "cotangent",
                choices=("cotangent", "loss"),
            ),
        ),
    ),
    Signature(
        "implicit",
        "the adjoint fixed point at the free equilibrium",
        (
            Parameter(
                "tolerance", Kind.REAL, "relative change that ends the solve", 1e-8, POSITIVE
            ),
            Parameter("sweeps", Kind.INT, "most sweeps of the solve", 500, AT_LEAST_ONE),
        ),
    ),
    Signature(
        "unrolled",
        "backpropagation through further sweeps from the free equilibrium",
        (Parameter("sweeps", Kind.INT, "sweeps with a graph", 20, AT_LEAST_ONE),),
    ),
)

_READ = Parameter("prediction", Kind.PORT, "the readout, or a block's output")
_TRUTH = Parameter("target", Kind.PORT, "the model's target")

LOSSES = table(
    Signature("cross_entropy", "softmax cross entropy; the target is a label", (_READ, _TRUTH)),
    Signature(
        "mse",
        "half the squared distance, summed over entries; a label counts as its one-hot vector",
        (_READ, _TRUTH),
    ),
)

_COUNT = Bounds(low=1)

INPUTS = table(
    Signature(
        "image",
        "channels x height x width",
        (
            Parameter("channels", Kind.INT, "number of channels", bounds=_COUNT),
            Parameter("height", Kind.INT, "rows", bounds=_COUNT),
            Parameter("width", Kind.INT, "columns", bounds=_COUNT),
        ),
    ),
    Signature(
        "vector", "that many numbers", (Parameter("size", Kind.INT, "length", bounds=_COUNT),)
    ),
)

TARGETS = table(
    Signature(
        "label",
        "a class index from 0 to size - 1",
        (Parameter("size", Kind.INT, "number of classes", bounds=Bounds(low=2)),),
    ),
    Signature(
        "vector", "that many numbers", (Parameter("size", Kind.INT, "length", bounds=_COUNT),)
    ),
)
