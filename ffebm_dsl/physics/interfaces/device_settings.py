"""What a device is made of: arrays that hold weights, converters at its border.

Both are values. What is random in them is drawn for them: *fixed* numbers are a property of the
device, the same in every phase and for as long as it exists; *fresh* ones are drawn anew each
time that weights are programmed.
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
    """Where the random numbers for one tensor of weights come from."""

    fixed: Normal
    fresh: Normal


class Array(ABC):
    """An array of analog memory cells."""

    @abstractmethod
    def programmed(self, weight: Tensor, numbers: Numbers) -> Tensor:
        """What the array holds when it was told to hold ``weight``."""

    def transposed(self, held: Tensor, numbers: Numbers) -> Tensor:
        """What acts on the way back through a coupling, where ``held`` acts on the way there."""
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
        bits: its resolution, 1 or more.
        range: the largest magnitude that it represents; None: 3 root mean squares of what it
            sees in the first batches of a training.

    Raises:
        ValueError: bits or range that no converter has.
    """

    bits: int
    range: float | None = None

    def __post_init__(self) -> None:
        if self.bits < 1 or (self.range is not None and not self.range > 0):
            raise ValueError(f"no converter has {self.bits} bits on a range of {self.range}")

    def levels(self, *, unipolar: bool) -> int:
        """2^bits from 0 on; one less on a range symmetric about 0, which so has 0 as a level."""
        levels: int = 2**self.bits
        return levels if unipolar else max(levels - 1, 2)


@dataclass(frozen=True)
class DeviceSettings:
    """What a device is; None: ideal there.

    Attributes:
        array: what holds the weights.
        drives, cotangents: converters into the analog side.
        outputs, updates: converters out of it.
        offset: standard deviation, over weights, of a fixed error of every measured contrast.
        seed: which device of its kind it is.
    """

    array: Array | None = None
    drives: Converter | None = None
    outputs: Converter | None = None
    cotangents: Converter | None = None
    updates: Converter | None = None
    offset: float = 0.0
    seed: int = 0
