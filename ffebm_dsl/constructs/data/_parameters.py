"""The parameters that data sets share."""

from ffebm_dsl.language.registry import Kind, Parameter
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE, POSITIVE, Share

Channels = tuple[float, ...]
"""A number for each channel, or one for all of them."""

PATH = Parameter("path", Kind.STRING, "file below the data directory, with / between folders")

# Colour images are divided by more than their standard deviation, as in arXiv 2409.03306:
# 3 times that of CIFAR-10 (0.2023, 0.1994, 0.2010), 1.5 times that of ImageNet (0.229,
# 0.224, 0.225). What drives a block then stays small against the reach of its activations.
CIFAR: tuple[Channels, Channels] = (0.4914, 0.4822, 0.4465), (0.6069, 0.5982, 0.603)
IMAGENET: tuple[Channels, Channels] = (0.485, 0.456, 0.406), (0.3435, 0.336, 0.3375)

TORONTO = "https://www.cs.toronto.edu/~kriz"

WIDENED = "the default `std` is more than that of the pixels, as in arXiv 2409.03306: "


def settings(mean: Channels, std: Channels, batch: int = 64) -> tuple[Parameter, ...]:
    """Batch size, validation, augmentation and normalisation, with these defaults."""
    return (
        Parameter("batch", Kind.INT, "samples per step", batch, AT_LEAST_ONE),
        Parameter("drop_last", Kind.BOOL, "leave out a last batch that is smaller", False),
        Parameter(
            "validation",
            Kind.REAL,
            "taken from the training set for evaluation: a fraction below 1, or a number of "
            "samples",
            0.0,
            Share(),
        ),
        Parameter("augment", Kind.CALLS, "in order, in training only", (), table="augmentations"),
        Parameter("mean", Kind.REALS, "subtracted; one, or one per channel or feature", mean),
        Parameter(
            "std", Kind.REALS, "divided by; one entry, or one per channel or feature", std, POSITIVE
        ),
    )
