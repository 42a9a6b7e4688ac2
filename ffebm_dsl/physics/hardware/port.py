"""A converter at the border of a block, with its calibrated range."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.hardware.quantise import straight_through
from ffebm_dsl.physics.interfaces import Converter
from ffebm_dsl.physics.layout import squared_norm
from ffebm_dsl.physics.network.whole_batch import WholeBatch

CALIBRATION = 100
"""Number of training batches over which a range is calibrated."""

SPREAD = 3.0
"""A range in units of the root mean square: 0.3 % of normal numbers are clipped. Both values are
those with which IBM's aihwkit-lightning initialises input ranges."""


class Port(WholeBatch, nn.Module):
    """Quantises tensors (B, ...); ``unipolar`` if its inputs are never negative."""

    mean_square: Tensor
    batches: Tensor

    def __init__(self, converter: Converter, *, unipolar: bool) -> None:
        super().__init__()
        self.converter, self.unipolar = converter, unipolar
        if converter.range is None:
            self.register_buffer("mean_square", torch.zeros((), dtype=torch.float64))
            self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        high = self.limit(x)
        low = 0.0 if self.unipolar else -high
        return straight_through(x, low, high, self.converter.levels(unipolar=self.unipolar))

    def limit(self, x: Tensor) -> float:
        """The range: given, or calibrated with ``x`` as the next input."""
        if self.converter.range is not None:
            return self.converter.range
        if self.training and int(self.batches) < CALIBRATION:
            self._learn(x)
        # Before there was a training: that of what is there.
        square = self.mean_square if int(self.batches) else _sum_of_squares(x) / x.numel()
        return max(SPREAD * math.sqrt(square), torch.finfo(x.dtype).tiny)

    def _learn(self, x: Tensor) -> None:
        """Include a batch, over all processes, in the mean."""
        part, own = self.part, x
        if part is not None and part.reduce is not None:
            # Of phases one after the other; a process without a sample has one that counts not.
            phases = x.reshape(-1, max(part.count, 1), *x.shape[1:])
            own = phases[:, : part.count].flatten(0, 1)
        square, count = _sum_of_squares(own), own.numel()
        if part is not None and part.reduce is not None:
            sums = torch.stack([square, torch.full_like(square, count)])
            part.reduce(sums)
            square, count = sums[0], int(sums[1])
        self.batches += 1
        mean = (square / count).to(self.mean_square.device)
        self.mean_square += (mean - self.mean_square) / self.batches

    def extra_repr(self) -> str:
        known = self.converter.range or ("auto" if not int(self.batches) else "found")
        return f"{self.converter.bits} bits, range {known}"


def _sum_of_squares(x: Tensor) -> Tensor:
    """The sum of squares, in float64 so that it does not depend on how samples are shared."""
    return squared_norm([x.detach()]).double().sum()
