"""What can be wrong with a step, in words and places."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ffebm_dsl.physics.network import PhaseReport
from ffebm_dsl.physics.network.whole_batch import Part

REMEDIES = {
    "input": "repair or remove the sample in the data",
    "target": "repair or remove the sample in the data",
    "buffers": "look for samples of extreme size in the data",
    "weights": "lower the learning rate",
    "gradient": "lower the learning rate",
    "free": "give `relax free` damping or more sweeps, lower the learning rate, or write "
    "`on_bad_step = damp()`",
    "nudged": "give `relax nudged` damping, lower beta or the learning rate, or write "
    "`on_bad_step = damp()`",
    "adjoint": "relax the free phase further (tolerance, sweeps), give `relax nudged` damping, "
    "lower the learning rate, or write `on_bad_step = skip_batch()`",
}
"""What to try, by the phase in which the trouble was found."""


@dataclass(frozen=True)
class Batch:
    """One step's samples: ``indices`` (B,) into the training set, inputs and targets.

    ``epoch`` counts from 1; ``seed`` is that of the step's random numbers. Of ``part``, the
    process's own, the first ``part.count`` samples count; ``part.first`` is where the first
    stands in the whole batch.
    """

    step: int
    epoch: int
    seed: int
    indices: NDArray[np.int64]
    x: Tensor
    y: Tensor
    part: Part


@dataclass(frozen=True)
class Attempt:
    """What came out of a step's computation in all processes, before anyone has judged it.

    ``hits`` counts the samples whose largest logit was right.
    ``norm`` is that of the gradient; NaN where the loss is not finite and no gradient was
    taken. ``diagnosis`` is a row of ``/run/gradients``, where the step was to have one.
    """

    hits: float
    loss: float
    norm: float
    reports: tuple[PhaseReport, ...]
    diagnosis: dict[str, Any] | None = None

    @property
    def finite(self) -> bool:
        return math.isfinite(self.norm)


@dataclass(frozen=True)
class Trouble:
    """The first thing that is wrong with a step.

    Attributes:
        kind, phase: of the record's ``TROUBLES`` and ``TROUBLE_PHASES``; ``buffers`` are what a
            batch norm has kept.
        block: the block; the name of a map of the model, or ``readout``; "" where none is.
        layer: the layer, map or weight tensor in it; "" where none is.
        sample: first sample concerned, in the batch; -1 where it is not a matter of samples.
        index: the same sample in the training set.
        value: the number that is wrong: of a layer that diverges the root mean square, of one
            that cycles the sample's residual, of weights that explode the growth.
    """

    kind: str
    phase: str
    block: str = ""
    layer: str = ""
    sample: int = -1
    index: int = -1
    value: float = math.nan

    @property
    def place(self) -> str:
        """``nudged phase, block b1, layer s2, sample 3 (118 of the training set)``."""
        phase = self.phase
        if phase in ("free", "nudged", "adjoint"):
            phase = f"{phase} phase"
        parts = [phase, f"block {self.block}" if self.block else ""]
        inside = "layer" if "phase" in phase or phase == "cotangent" else ""
        parts.append(f"{inside} {self.layer}".strip())
        if self.sample >= 0:
            parts.append(f"sample {self.sample} of the batch ({self.index} of the training set)")
        return ", ".join(part for part in parts if part)

    def __str__(self) -> str:
        what = {
            "not finite": "is not finite",
            "diverging": "diverges, root mean square",
            "cycling": "cycles, residual",
            "exploding": "explodes, factor",
        }[self.kind]
        return f"{self.place}: {what} ({self.value:.3g})"

    @property
    def lasting(self) -> bool:
        """Whether another try of the batch must fail in the same way."""
        return self.phase in ("input", "target") or self.poisoned

    @property
    def poisoned(self) -> bool:
        """Whether the weights were wrong before the step: no batch can be trained on."""
        return (self.kind, self.phase) == ("not finite", "weights")

    @property
    def help(self) -> str:
        return REMEDIES.get(self.phase, "lower the learning rate or the weights of the block")


@dataclass(frozen=True)
class Verdict:
    """What became of a step.

    Attributes:
        attempt: the last try, which was applied if it was good.
        trouble: what was wrong with the first try; None: nothing.
        tries: how often the batch was tried.
        action: ``damped``, ``skipped`` or ``stopped``; "" where nothing was wrong.
    """

    attempt: Attempt
    trouble: Trouble | None = None
    tries: int = 1
    action: str = ""

    @property
    def applied(self) -> bool:
        """Whether the step stands."""
        return self.action in ("", "damped")
