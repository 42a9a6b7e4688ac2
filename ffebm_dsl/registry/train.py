"""Entries of the train section: data sets, augmentations, optimizers, schedules, keys."""

from __future__ import annotations

from dataclasses import dataclass

from ffebm_dsl.registry.signature import (
    AT_LEAST_ONE,
    FRACTION,
    NOT_NEGATIVE,
    POSITIVE,
    PROBABILITY,
    Kind,
    Parameter,
    Signature,
    table,
)


@dataclass(frozen=True)
class DataSignature(Signature):
    """A data set. Where its samples are known beforehand, ``shape`` and ``classes`` say so;
    ``()`` and 0 where only the file can tell."""

    shape: tuple[int, ...] = ()
    classes: int = 0


@dataclass(frozen=True)
class AugmentationSignature(Signature):
    """A random change of a batch in training; ``image_only`` where it needs rows and columns."""

    image_only: bool = True


def _data(mean: float, std: float) -> tuple[Parameter, ...]:
    return (
        Parameter("batch", Kind.INT, "samples per step", 64, AT_LEAST_ONE),
        Parameter("augment", Kind.CALLS, "in order, in training only", (), table="augmentations"),
        Parameter("mean", Kind.REALS, "subtracted; one entry or one per channel", (mean,)),
        Parameter("std", Kind.REALS, "divided by; one entry or one per channel", (std,), POSITIVE),
    )


_PATH = Parameter("path", Kind.STRING, "file below the data directory, with / between folders")

DATA = table(
    DataSignature(
        "digits",
        "the 8 x 8 digits that come with scikit-learn",
        _data(0.3053, 0.3761),
        (1, 8, 8),
        10,
    ),
    DataSignature(
        "mnist", "MNIST, from its four IDX files", _data(0.1307, 0.3081), (1, 28, 28), 10
    ),
    DataSignature("npz", "arrays of a NumPy .npz file", (_PATH, *_data(0.0, 1.0))),
    DataSignature("hdf5", "datasets of an HDF5 file", (_PATH, *_data(0.0, 1.0))),
)

AUGMENTATIONS = table(
    AugmentationSignature(
        "hflip",
        "left and right exchanged",
        (Parameter("p", Kind.REAL, "probability", 0.5, PROBABILITY),),
    ),
    AugmentationSignature(
        "crop",
        "a window of the image's size, placed at random in the padded image",
        (
            Parameter("padding", Kind.INT, "rows and columns added", bounds=AT_LEAST_ONE),
            Parameter(
                "mode", Kind.CHOICE, "what the padding holds", "edge", choices=("edge", "zeros")
            ),
        ),
    ),
)


def _adam(weight_decay: float) -> tuple[Parameter, ...]:
    return (
        Parameter("lr", Kind.REAL, "learning rate", 1e-3, POSITIVE),
        Parameter("beta1", Kind.REAL, "decay of the mean gradient", 0.9, FRACTION),
        Parameter("beta2", Kind.REAL, "decay of the mean squared gradient", 0.999, FRACTION),
        Parameter("eps", Kind.REAL, "added to the denominator", 1e-8, POSITIVE),
        Parameter("weight_decay", Kind.REAL, "pull towards zero", weight_decay, NOT_NEGATIVE),
    )


OPTIMIZERS = table(
    Signature(
        "sgd",
        "gradient descent",
        (
            Parameter("lr", Kind.REAL, "learning rate", bounds=POSITIVE),
            Parameter("momentum", Kind.REAL, "part of the last step repeated", 0.0, FRACTION),
            Parameter("nesterov", Kind.BOOL, "Nesterov's momentum", False),
            Parameter("weight_decay", Kind.REAL, "pull towards zero", 0.0, NOT_NEGATIVE),
        ),
    ),
    Signature("adam", "Adam; weight decay added to the gradient", _adam(0.0)),
    Signature("adamw", "Adam; weight decay apart from the gradient", _adam(0.01)),
)

SCHEDULES = table(
    Signature("constant", "the learning rate as it is"),
    Signature(
        "cosine",
        "a half cosine over all epochs, one value per epoch",
        (Parameter("eta_min", Kind.REAL, "learning rate at the end", 0.0, NOT_NEGATIVE),),
    ),
    Signature(
        "cosine_restarts",
        "a half cosine over every period, step by step, then back up",
        (
            Parameter("period", Kind.INT, "epochs between restarts", 1, AT_LEAST_ONE),
            Parameter(
                "eta_min", Kind.REAL, "learning rate at the end of a period", 0.0, NOT_NEGATIVE
            ),
        ),
    ),
    Signature(
        "step",
        "a factor every few epochs",
        (
            Parameter("size", Kind.INT, "epochs between steps", bounds=AT_LEAST_ONE),
            Parameter("gamma", Kind.REAL, "the factor", 0.1, POSITIVE),
        ),
    ),
)

TRAIN = Signature(
    "train",
    "how the network is trained",
    (
        Parameter("data", Kind.CALL, "data set", table="data"),
        Parameter("optimizer", Kind.CALL, "optimizer", table="optimizers"),
        Parameter(
            "schedule", Kind.CALL, "learning rate over epochs", "constant", table="schedules"
        ),
        Parameter("epochs", Kind.INT, "passes over the training set", bounds=AT_LEAST_ONE),
        Parameter("seed", Kind.INT, "of weights, data order and augmentation", 0, NOT_NEGATIVE),
        Parameter("eval_every", Kind.INT, "epochs between evaluations", 1, AT_LEAST_ONE),
        Parameter("checkpoint_every", Kind.INT, "epochs between checkpoints", 1, AT_LEAST_ONE),
        Parameter(
            "diagnose_every",
            Kind.INT,
            "steps between gradient diagnostics; 0: none",
            0,
            NOT_NEGATIVE,
        ),
    ),
)
