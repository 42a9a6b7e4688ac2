"""Digital ops for which PyTorch has no module."""

from __future__ import annotations

from torch import Tensor, nn


class HardSigmoidMap(nn.Module):
    """``clamp(slope x, 0, 1)``: the activation of the energy blocks, as a digital map.

    (``torch.nn.Hardsigmoid`` is another function: slope 1/6, centred.)
    """

    def __init__(self, slope: float = 1.0) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return (self.slope * x).clamp(0.0, 1.0)

    def extra_repr(self) -> str:
        return f"slope={self.slope}"
