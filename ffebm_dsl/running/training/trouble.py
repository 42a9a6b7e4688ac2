"""Descriptions of what is wrong with a step."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
"""Suggested remedies, by the phase of the trouble."""

VERBS = {
    "not finite": "is not finite",
    "diverging": "diverges, root mean square",
    "exploding": "explodes, factor",
}


@dataclass(frozen=True)
class Trouble:
    """The first fault of a step.

    Attributes:
        kind, phase: entries of the record's ``TROUBLES`` and ``TROUBLE_PHASES``; ``buffers`` are
            the running statistics of batch norms.
        block: the block; the name of a map of the model, or ``readout``; "" if none.
        layer: the layer, map or weight tensor in it, or the input; "" if none.
        sample: index in the batch of the first sample concerned; -1 if it does not concern samples.
        index: the index of this sample in the training set.
        value: the bad number: for a diverging layer its root mean square, for exploding weights
            their growth.
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
        relaxes = self.phase in ("free", "nudged", "adjoint")
        parts = [f"{self.phase} phase" if relaxes else self.phase]
        if self.block:
            parts.append(f"block {self.block}")
        if self.layer:
            parts.append(f"layer {self.layer}" if relaxes else self.layer)
        if self.sample >= 0:
            parts.append(f"sample {self.sample} of the batch ({self.index} of the training set)")
        return ", ".join(parts)

    def __str__(self) -> str:
        return f"{self.place}: {VERBS[self.kind]} ({self.value:.3g})"

    @property
    def of_weights(self) -> bool:
        """Whether the weights were bad before the step, so that no batch can be trained on."""
        return self.phase == "weights"

    @property
    def lasting(self) -> bool:
        """Whether repeating the batch must fail in the same way."""
        return self.phase in ("input", "target", "weights")

    @property
    def help(self) -> str:
        return REMEDIES.get(self.phase, "lower the learning rate or the weights of the block")
