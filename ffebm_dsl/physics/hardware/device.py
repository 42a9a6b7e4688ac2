"""The device of one block, the same in all of its phases.

A call of the block programs the array once, for free and nudged phases alike, so that at
beta = 0 every static error contrasts to exactly zero. Weight gradients are taken at the weights
that the array holds and applied to those that it was programmed with. A device is a function of
its seed and of the block's name; only the ranges that converters find are stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.gradients import LinearCost
from ffebm_dsl.physics.hardware.port import Port
from ffebm_dsl.physics.interfaces import (
    FIXED,
    ContrastiveEstimator,
    Converter,
    DeviceSettings,
    Layer,
    Normal,
    Numbers,
)
from ffebm_dsl.physics.layout import channels_last


class Device(nn.Module):
    """A device and its converters.

    Args:
        block: name of the block.
        settings: settings of the device.
        layers: layers of the block's energy.
        outputs: indices of the block's output layers.
        drives: number of drives of the block.
        constraints: what projects a weight in place, by its name: the array has no cell that
            could hold what is out of range, such as a negative conductance.
    """

    def __init__(
        self,
        block: str,
        settings: DeviceSettings,
        layers: Sequence[Layer],
        outputs: Sequence[int],
        drives: int,
        constraints: Mapping[str, Sequence[Callable[[Tensor], None]]] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self.block, self.settings, self._constraints = block, settings, dict(constraints)
        unipolar = [layer.activation.range[0] >= 0 for layer in layers]
        self.drives = _ports(settings.drives, range(drives))
        self.cotangents = _ports(settings.cotangents, sorted(set(outputs)))
        self.outputs = _ports(settings.outputs, range(len(outputs)), [unipolar[i] for i in outputs])
        self.updates = _ports(settings.updates, range(len(layers)), unipolar)
        self._kept: dict[tuple[object, ...], Tensor] = {}

    @property
    def reprogrammed(self) -> bool:
        """Whether programming weights draws fresh random numbers."""
        return self.settings.array is not None and self.settings.array.reprogrammed

    def enter(self, drives: Sequence[Tensor]) -> list[Tensor]:
        """The drives after their converters."""
        if not self.drives:
            return [*drives]
        # Laid out as the block lays them out, and so their gradients.
        return [self.drives[str(k)](channels_last(u)) for k, u in enumerate(drives)]

    def leave(self, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The outputs after their converters."""
        if not self.outputs:
            return tuple(states)
        return tuple(self.outputs[str(k)](s) for k, s in enumerate(states))

    def let_in(self, cost: LinearCost) -> LinearCost:
        """The cost with its cotangents after their converters."""
        if not self.cotangents:
            return cost
        return LinearCost({i: self.cotangents[str(i)](c) for i, c in cost.cotangents.items()})

    def read(self, layer: int, s: Tensor) -> Tensor:
        """The state of a layer as weight updates see it."""
        found: Tensor = self.updates[str(layer)](s) if self.updates else s
        return found

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Keep what is read meanwhile out of the ranges that converters find."""
        training = self.updates.training
        self.updates.eval()
        try:
            yield
        finally:
            self.updates.train(training)

    def programmed(self, weights: Mapping[str, Tensor], call: int = FIXED) -> dict[str, Tensor]:
        """The weights that the array holds; biases are exact."""
        array = self.settings.array
        if array is None:
            return dict(weights)
        held = {
            name: w if _is_bias(name) else array.programmed(w, self._numbers(name, w, call))
            for name, w in weights.items()
        }
        for name, constraints in self._constraints.items():
            held[name] = held[name].clone()
            for project in constraints:
                project(held[name])
        return held

    def transposed(self, name: str, held: Tensor) -> Tensor:
        """The weight that acts on the way back through its coupling."""
        array = self.settings.array
        if array is None or _is_bias(name):
            return held
        return array.transposed(held, self._numbers(name, held, FIXED))

    @property
    def asymmetric(self) -> bool:
        """Whether :meth:`transposed` changes anything."""
        return self.settings.array is not None and self.settings.array.asymmetric

    def measured(
        self, gradients: dict[str, Tensor], estimator: ContrastiveEstimator, weights: Tensor
    ) -> dict[str, Tensor]:
        """Gradients with the fixed error of every measured contrast.

        The error of a contrast of two phases does not depend on beta; ``weights``, (B,), are
        those of the samples.
        """
        # Half of the weights is what a difference of phases is multiplied by.
        size = sum(abs(phase.weight) for phase in estimator.phases) / 2 * weights.sum()
        off = self.settings.offset * size * estimator.direction
        return {
            name: g + off * self._normal(name, g, "offset", FIXED) for name, g in gradients.items()
        }

    def _numbers(self, name: str, like: Tensor, call: int) -> Numbers:
        def numbers(key: int) -> Normal:
            return lambda imperfection: self._normal(name, like, imperfection, key)

        return Numbers(numbers(FIXED), numbers(call))

    def _normal(self, name: str, like: Tensor, imperfection: str, call: int) -> Tensor:
        """Standard normal numbers, drawn on the CPU in float32 for all devices and dtypes."""
        key = (name, imperfection, tuple(like.shape), like.dtype, like.device)
        if call == FIXED and key in self._kept:
            return self._kept[key]
        text = repr((self.settings.seed, self.block, name, imperfection, call))
        seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1
        drawn = torch.randn(like.shape, generator=torch.Generator().manual_seed(seed))
        drawn = drawn.to(like.device, like.dtype)
        if call == FIXED:
            self._kept[key] = drawn
        return drawn


def _is_bias(name: str) -> bool:
    return name.rpartition(".")[2] == "bias"


def _ports(
    converter: Converter | None, keys: Iterable[int], unipolar: Sequence[bool] | None = None
) -> nn.ModuleDict:
    """A port for each key; none for an ideal converter."""
    if converter is None:
        return nn.ModuleDict()
    return nn.ModuleDict(
        {str(k): Port(converter, unipolar=unipolar[k] if unipolar else False) for k in keys}
    )
