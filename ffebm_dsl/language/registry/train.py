"""Entries of the train section: data, augmentations, optimizers, schedules, policies, keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ffebm_dsl.language.registry.signature import (
    AT_LEAST_ONE,
    FRACTION,
    NOT_NEGATIVE,
    POSITIVE,
    PROBABILITY,
    Bounds,
    Kind,
    Parameter,
    Signature,
    table,
)


@dataclass(frozen=True)
class DataSignature(Signature):
    """A data set. Where its samples are known beforehand, ``shape`` and ``classes`` say so;
    ``()`` and 0 where only the file can tell. ``coarse_classes``: with ``labels=coarse``."""

    shape: tuple[int, ...] = ()
    classes: int = 0
    coarse_classes: int = 0

    def classes_with(self, arguments: Mapping[str, object]) -> int:
        """How many classes a call with these arguments has; 0 where only the file can tell."""
        return self.coarse_classes if arguments.get("labels") == "coarse" else self.classes


@dataclass(frozen=True)
class AugmentationSignature(Signature):
    """A random change of a batch in training; ``image_only`` where it needs rows and columns."""

    image_only: bool = True


def _data(
    mean: tuple[float, ...], std: tuple[float, ...], batch: int = 64
) -> tuple[Parameter, ...]:
    return (
        Parameter("batch", Kind.INT, "samples per step", batch, AT_LEAST_ONE),
        Parameter("augment", Kind.CALLS, "in order, in training only", (), table="augmentations"),
        Parameter("mean", Kind.REALS, "subtracted; one entry or one per channel", mean),
        Parameter("std", Kind.REALS, "divided by; one entry or one per channel", std, POSITIVE),
    )


# Colour images are divided by more than their standard deviation, as in arXiv 2409.03306:
# 3 times that of CIFAR-10 (0.2023, 0.1994, 0.2010), 1.5 times that of ImageNet (0.229,
# 0.224, 0.225). What drives a block then stays small against the reach of its activations.
_CIFAR = (0.4914, 0.4822, 0.4465), (0.6069, 0.5982, 0.603)
_IMAGENET = (0.485, 0.456, 0.406), (0.3435, 0.336, 0.3375)

_LABELS = Parameter(
    "labels",
    Kind.CHOICE,
    "the 100 classes, or their 20 superclasses",
    "fine",
    choices=("fine", "coarse"),
)
_PATH = Parameter("path", Kind.STRING, "file below the data directory, with / between folders")

DATA = table(
    DataSignature(
        "digits",
        "the 8 x 8 digits that come with scikit-learn",
        _data((0.3053,), (0.3761,)),
        (1, 8, 8),
        10,
    ),
    DataSignature(
        "mnist", "MNIST, from its four IDX files", _data((0.1307,), (0.3081,)), (1, 28, 28), 10
    ),
    DataSignature(
        "fashion_mnist",
        "Fashion-MNIST, from its four IDX files",
        _data((0.286,), (0.353,)),
        (1, 28, 28),
        10,
    ),
    DataSignature(
        "cifar10",
        "CIFAR-10, binary or python version",
        _data(*_CIFAR, batch=128),
        (3, 32, 32),
        10,
    ),
    DataSignature(
        "cifar100",
        "CIFAR-100, binary or python version",
        (*_data(*_CIFAR, batch=256), _LABELS),
        (3, 32, 32),
        100,
        coarse_classes=20,
    ),
    DataSignature(
        "imagenet32",
        "ImageNet of 32 x 32 pixels, npz or pickled batches",
        _data(*_IMAGENET, batch=256),
        (3, 32, 32),
        1000,
    ),
    DataSignature("npz", "arrays of a NumPy .npz file", (_PATH, *_data((0.0,), (1.0,)))),
    DataSignature("hdf5", "datasets of an HDF5 file", (_PATH, *_data((0.0,), (1.0,)))),
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


GROUPS = table(
    Signature(
        "scale",
        "factors of the optimizer's settings for a part of the model",
        (
            Parameter("part", Kind.PART, "a block, a map or coupling of one, a map, the readout"),
            Parameter("lr", Kind.REAL, "factor of the learning rate", 1.0, POSITIVE),
            Parameter("weight_decay", Kind.REAL, "factor of the decay", 1.0, NOT_NEGATIVE),
        ),
    ),
)

_GROUPS = Parameter("groups", Kind.CALLS, "parts with settings of their own", (), table="groups")


def _adam(weight_decay: float) -> tuple[Parameter, ...]:
    return (
        Parameter("lr", Kind.REAL, "learning rate", 1e-3, POSITIVE),
        Parameter("beta1", Kind.REAL, "decay of the mean gradient", 0.9, FRACTION),
        Parameter("beta2", Kind.REAL, "decay of the mean squared gradient", 0.999, FRACTION),
        Parameter("eps", Kind.REAL, "added to the denominator", 1e-8, POSITIVE),
        Parameter("weight_decay", Kind.REAL, "pull towards zero", weight_decay, NOT_NEGATIVE),
        _GROUPS,
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
            _GROUPS,
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

_DAMPED = Bounds(low=0.25, high=1, open_high=True)

_GROWTH = Parameter(
    "growth",
    Kind.REAL,
    "most that a weight tensor may grow by in a step; its cube: in all",
    10.0,
    Bounds(low=1, open_low=True),
)

_REMOVED = {
    "cycling": "leave it out: phases that end in a cycle are recorded, and no longer stop a run"
}

POLICIES = table(
    Signature(
        "stop", "the run ends, saved as it was before the step", (_GROWTH,), removed=_REMOVED
    ),
    Signature(
        "skip_batch",
        "the batch is left out",
        (
            Parameter("limit", Kind.INT, "most batches left out in an epoch", 10, AT_LEAST_ONE),
            _GROWTH,
        ),
        removed=_REMOVED,
    ),
    Signature(
        "damp",
        "the batch is tried again, its relaxations damped",
        (
            Parameter(
                "factor",
                Kind.REAL,
                "what each try multiplies the moves of a sweep by",
                0.5,
                _DAMPED,
            ),
            Parameter("limit", Kind.INT, "most damped tries of a batch", 3, Bounds(low=1, high=4)),
            _GROWTH,
        ),
        removed=_REMOVED,
    ),
)
"""What is done about a step whose numbers go wrong."""

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
        Parameter(
            "on_bad_step",
            Kind.CALL,
            "what to do about a step whose numbers go wrong",
            "stop",
            table="policies",
        ),
    ),
)
