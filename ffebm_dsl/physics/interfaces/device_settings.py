"""Settings of a device: arrays that hold weights, converters at its border.

Both are values without state. Their random numbers are passed in: *fixed* numbers are a property
of the device and stay the same for as long as it exists; *fresh* ones are drawn anew each time
weights are programmed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

FIXED = -1
"""In the place of a call's seed: weights are programmed once and for all."""

Normal: TypeAlias = "Callable[[str], Tensor]"
"""The name of an imperfection -> standard normal numbers, one for each weight of a tensor."""


Transposed: TypeAlias = "Callable[[str, Tensor], Tensor]"
"""The name of a weight and what acts on the way there -> what acts on the way back."""


class Numbers(NamedTuple):
    """Sources of the random numbers for one weight tensor."""

    fixed: Normal
    fresh: Normal


class Array(ABC):
    """An array of analog memory cells."""

    @abstractmethod
    def programmed(self, weight: Tensor, numbers: Numbers) -> Tensor:
        """The weights that the array holds after it was programmed with ``weight``."""

    def transposed(self, held: Tensor, numbers: Numbers) -> Tensor:
        """The weights of the way back through a coupling whose forward weights are ``held``."""
        return held

    @property
    def asymmetric(self) -> bool:
        """Whether :meth:`transposed` changes anything."""
        return False

    @property
    def reprogrammed(self) -> bool:
        """Whether fresh numbers are drawn when weights are programmed."""
        return False


@dataclass(frozen=True)
class Converter:
    """A uniform quantiser.

    Attributes:
        bits: resolution, 1 or more.
        range: the largest magnitude that it represents; None: three times the root mean square
            of its input over the first batches of training.

    Raises:
        ValueError: ``bits`` below 1, or a ``range`` that is not positive.
    """

    bits: int
    range: float | None = None

    def __post_init__(self) -> None:
        if self.bits < 1 or (self.range is not None and not self.range > 0):
            raise ValueError(f"no converter has {self.bits} bits on a range of {self.range}")

    def levels(self, *, unipolar: bool) -> int:
        """Number of levels: 2^bits; one less on a range symmetric about 0, so that 0 is a level."""
        levels: int = 2**self.bits
        return levels if unipolar else max(levels - 1, 2)


@dataclass(frozen=True)
class DeviceSettings:
    """The settings of a device; None means ideal.

    Attributes:
        array: what holds the weights.
        drives, cotangents: converters into the analog side.
        outputs, updates: converters out of it.
        offset: standard deviation, over weights, of a fixed error of every measured contrast.
        seed: distinguishes devices with the same settings.
    """

    array: Array | None = None
    drives: Converter | None = None
    outputs: Converter | None = None
    cotangents: Converter | None = None
    updates: Converter | None = None
    offset: float = 0.0
    seed: int = 0
