"""Ops of feedforward maps, couplings and readouts. Names and arguments follow PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from ffebm_dsl.language.registry.signature import (
    AT_LEAST_ONE,
    NOT_NEGATIVE,
    POSITIVE,
    PROBABILITY,
    Kind,
    Parameter,
    SameAs,
    Signature,
    table,
)


@dataclass(frozen=True)
class OpSignature(Signature):
    """An op.

    ``counted`` names the parameter that says how many outputs the op's weight has, or is
    ``""`` for an op without weight. ``in_coupling``: linear apart from a choice of
    entries, so that it may stand in a coupling. ``per_sample``: a sample's result does
    not depend on the others of its batch. ``random``: draws random numbers in training.
    """

    counted: str = ""
    in_coupling: bool = False
    per_sample: bool = True
    random: bool = False


_KERNEL = Parameter("kernel", Kind.INT, "side of the square window", bounds=AT_LEAST_ONE)
_STRIDE = Parameter("stride", Kind.INT, "step of the window", SameAs("kernel"), AT_LEAST_ONE)
_PADDING = Parameter("padding", Kind.INT, "rows and columns added on each side", 0, NOT_NEGATIVE)
_EPS = Parameter("eps", Kind.REAL, "added to the variance", 1e-5, POSITIVE)
_AFFINE = Parameter("affine", Kind.BOOL, "learn a scale and a shift", True)
_BIAS = Parameter("bias", Kind.BOOL, "learn a bias", True)
_BATCH_NORM = (
    _AFFINE,
    Parameter("momentum", Kind.REAL, "weight of a new batch in the statistics", 0.1, PROBABILITY),
    _EPS,
    Parameter("sync", Kind.BOOL, "one mean and variance over all processes of a run", False),
)

OPS = table(
    OpSignature(
        "conv2d",
        "2-d convolution with square kernel, zero padding",
        (
            Parameter("out_channels", Kind.INT, "number of output channels", bounds=AT_LEAST_ONE),
            _KERNEL,
            Parameter("stride", Kind.INT, "step of the window", 1, AT_LEAST_ONE),
            _PADDING,
            Parameter("dilation", Kind.INT, "spacing inside the window", 1, AT_LEAST_ONE),
            Parameter("groups", Kind.INT, "groups of channels kept apart", 1, AT_LEAST_ONE),
            _BIAS,
        ),
        counted="out_channels",
        in_coupling=True,
    ),
    OpSignature(
        "linear",
        "dense map of a vector",
        (
            Parameter("out_features", Kind.INT, "length of the output", bounds=AT_LEAST_ONE),
            _BIAS,
        ),
        counted="out_features",
        in_coupling=True,
    ),
    OpSignature(
        "max_pool2d", "largest entry of each window", (_KERNEL, _STRIDE, _PADDING), in_coupling=True
    ),
    OpSignature(
        "avg_pool2d",
        "mean of each window, padding counted in",
        (_KERNEL, _STRIDE, _PADDING),
        in_coupling=True,
    ),
    OpSignature(
        "adaptive_avg_pool2d",
        "mean over a grid of size x size windows",
        (Parameter("size", Kind.INT, "side of the output", bounds=AT_LEAST_ONE),),
    ),
    OpSignature("flatten", "all entries of a sample as one vector", in_coupling=True),
    OpSignature("identity", "the input as it is", in_coupling=True),
    OpSignature("batch_norm1d", "batch normalisation of a vector", _BATCH_NORM, per_sample=False),
    OpSignature("batch_norm2d", "batch normalisation by channel", _BATCH_NORM, per_sample=False),
    OpSignature("layer_norm", "normalisation over all entries of a sample", (_EPS, _AFFINE)),
    OpSignature(
        "group_norm",
        "normalisation over groups of channels of a sample",
        (
            Parameter("groups", Kind.INT, "number of groups", bounds=AT_LEAST_ONE),
            _EPS,
            _AFFINE,
        ),
    ),
    OpSignature("relu", "max(a, 0)"),
    OpSignature("gelu", "a times the normal distribution function of a"),
    OpSignature("silu", "a sigmoid(a)"),
    OpSignature("tanh", "hyperbolic tangent"),
    OpSignature("sigmoid", "1 / (1 + exp(-a))"),
    OpSignature(
        "hard_sigmoid",
        "clamp(slope a, 0, 1), not torch's function of that name",
        (Parameter("slope", Kind.REAL, "slope between 0 and 1", 1.0, POSITIVE),),
    ),
    OpSignature(
        "dropout",
        "in training, entries zeroed at random and the rest scaled up",
        (Parameter("p", Kind.REAL, "probability of a zero", 0.5, PROBABILITY),),
        random=True,
    ),
)
