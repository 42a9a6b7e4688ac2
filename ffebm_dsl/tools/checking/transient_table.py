"""Results of the static gradient analysis, as arrays over sweeps and parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ffebm_dsl.physics.gradients.gradient_comparison import Comparison, compare

Floats = NDArray[np.float64]

VANISHING = {torch.float64: 1e-10, torch.float32: 1e-6}
"""A gradient this small, relative to its block's largest, is rounding: it has no direction."""

ROUNDINGS = 4
"""So is one below this many times what EP gives before the first sweep, where it is zero."""

MEASURES = ("norm", "norm_unrolled", "cosine", "relative_error")


@dataclass(frozen=True)
class BlockFacts:
    """Properties of a block that limit how well its two gradients agree.

    Attributes:
        name: of the block.
        beta: nudging strength.
        sweeps: nudged sweeps made.
        free_residual: largest relative change of a sample in the last free sweep.
        diverged: samples whose free phase diverged.
        crossings: units that the nudged phases end on different sides of a kink.
        mirrored: whether the nudged phase is the free phase's sweep in reverse; where it is
            not, the two gradients need agree after many sweeps only.
    """

    name: str
    beta: float
    sweeps: int
    free_residual: float
    diverged: int
    crossings: int
    mirrored: bool


@dataclass(frozen=True)
class Transients:
    """EP against autodiff; T is the most sweeps of a block, P the number of parameters.

    Attributes:
        parameters: labels, (P,).
        owners: the block whose sweeps decide each, (P,).
        shapes: of the tensors, (P,).
        measures: by each of ``MEASURES``, (T + 1, P): norm of the EP gradient, norm of the
            unrolled one, their cosine and relative error. NaN after a block's last sweep,
            for a cosine with a gradient that vanishes, and for cosine and error before the
            first sweep, where both gradients are zero.
        entries: flat indices of the entries that are followed, (P, K); -1 where a parameter
            has fewer.
        values: the EP gradient of those entries, (T + 1, P, K).
        values_unrolled: the unrolled one.
        blocks: facts about each block, in order of computation.
    """

    parameters: tuple[str, ...]
    owners: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    measures: dict[str, Floats]
    entries: NDArray[np.int64]
    values: Floats
    values_unrolled: Floats
    blocks: tuple[BlockFacts, ...]

    @property
    def sound(self) -> bool:
        """Whether no free phase diverged and every gradient that was taken is finite."""
        sweeps = {block.name: block.sweeps for block in self.blocks}
        finite = all(
            np.isfinite(self.measures[name][: sweeps[owner] + 1, p]).all()
            for p, owner in enumerate(self.owners)
            for name in ("norm", "norm_unrolled")
        )
        return finite and not any(block.diverged for block in self.blocks)

    def last(self, measure: str) -> Floats:
        """The measure after each parameter's last sweep, (P,)."""
        sweeps = {block.name: block.sweeps for block in self.blocks}
        rows = [sweeps[owner] for owner in self.owners]
        result: Floats = self.measures[measure][rows, np.arange(len(rows))]
        return result

    def to_dict(self) -> dict[str, Any]:
        """The table as plain mappings and lists."""
        return {
            "blocks": [asdict(block) for block in self.blocks],
            "parameters": [
                {"parameter": parameter, "block": owner}
                | {name: values[:, p].tolist() for name, values in self.measures.items()}
                for p, (parameter, owner) in enumerate(
                    zip(self.parameters, self.owners, strict=True)
                )
            ],
        }


class Series:
    """The arrays of an analysis while it runs.

    ``followed`` gives the parameters that each block's sweeps decide, ``gradients`` the EP
    gradient of every parameter after all sweeps; it is not kept. Of each parameter ``count``
    entries are drawn to be followed, with a probability proportional to their gradient.
    """

    def __init__(
        self,
        followed: Mapping[str, Sequence[str]],
        gradients: Mapping[str, Tensor],
        sweeps: int,
        *,
        count: int,
        seed: int,
    ) -> None:
        self.parameters = tuple(label for labels in followed.values() for label in labels)
        self.owners = tuple(name for name, labels in followed.items() for _ in labels)
        self.shapes = tuple(tuple(gradients[label].shape) for label in self.parameters)
        self._largest = {
            name: max((float(gradients[label].norm()) for label in labels), default=0.0)
            for name, labels in followed.items()
        }
        shape = (sweeps + 1, len(self.parameters))
        self.measures = {name: np.full(shape, math.nan) for name in MEASURES}
        self._rounding = [0.0] * len(self.parameters)
        generator = torch.Generator().manual_seed(seed)
        self._places = [_drawn(gradients[p], count, generator) for p in self.parameters]
        self.entries = np.full((len(self.parameters), count), -1, np.int64)
        for row, places in zip(self.entries, self._places, strict=True):
            row[: len(places)] = places.numpy()
        self.values = np.full((*shape, count), math.nan)
        self.values_unrolled = self.values.copy()

    def put(self, t: int, block: str, ep: Sequence[Tensor], unrolled: Sequence[Tensor]) -> None:
        """Note a block's gradients after ``t`` sweeps, in the order of its parameters."""
        rows = [p for p, owner in enumerate(self.owners) if owner == block]
        vanishing = VANISHING[ep[0].dtype] * self._largest[block] if ep else 0.0
        for p, a, b in zip(rows, ep, unrolled, strict=True):
            floor = max(vanishing, ROUNDINGS * self._rounding[p])
            self._compare(t, p, compare(a, b, floor=floor))
            places = self._places[p]
            for values, gradient in ((self.values, a), (self.values_unrolled, b)):
                values[t, p, : len(places)] = gradient.detach().flatten()[places].double().cpu()

    def _compare(self, t: int, p: int, found: Comparison) -> None:
        self.measures["norm"][t, p] = found.norm
        self.measures["norm_unrolled"][t, p] = found.reference_norm
        if t == 0 and found.reference_norm == 0:
            # Nothing has moved: both are zero, and what EP gives instead is its rounding.
            self._rounding[p] = found.norm
            return
        if not found.vanishes:
            self.measures["cosine"][t, p] = found.cosine
        self.measures["relative_error"][t, p] = found.relative_error

    def transients(self, blocks: Sequence[BlockFacts]) -> Transients:
        return Transients(
            self.parameters,
            self.owners,
            self.shapes,
            self.measures,
            self.entries,
            self.values,
            self.values_unrolled,
            tuple(blocks),
        )


def _drawn(gradient: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Flat indices of ``count`` entries, fewer where there are fewer, in order."""
    size = gradient.detach().abs().flatten().float().cpu()
    # Of independent exponential clocks with these rates the first to ring.
    clocks = torch.empty_like(size).exponential_(generator=generator)
    return (size / clocks).topk(min(count, len(size))).indices.sort().values
