"""Amplification of rounding: the change of states and gradients when weights change by rounding.

The relaxation of a block iterates one map many times. If that map makes choices, as max pooling
inside a coupling does, a change in the last digits can change a choice, and the states diverge.
Two machines that round differently then train two networks from one seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ffebm_dsl.physics.network.block import BlockSettings
from ffebm_dsl.physics.network.hybrid_network import HybridNetwork

Gradients = Callable[[Mapping[str, BlockSettings]], Mapping[str, Tensor]]
"""Gradients by label (``b1.s1_s2.linear.weight``) with the given settings of each block."""

RELATIVE = 1e-12
"""How far each weight is moved, as a part of itself: well above rounding of float64."""

TRIALS = 3
"""Random directions in which the weights are moved; the largest effect counts."""

LARGE = 1e4
"""Factors above it are not those of a contraction; single precision keeps less than 3 digits."""


@dataclass(frozen=True)
class Amplification:
    """Relative change of a block over the relative change of all weights.

    Attributes:
        block: name of the block.
        outputs: change of its free state, as training relaxes it.
        gradients: change of its weight gradients, as training estimates them.
    """

    block: str
    outputs: float
    gradients: float

    @property
    def large(self) -> bool:
        """Whether a run with this block would not be reproduced on another machine."""
        return max(self.outputs, self.gradients) > LARGE


def amplification(
    network: HybridNetwork, gradients: Gradients, seed: int, trials: int = TRIALS
) -> list[Amplification]:
    """Every block's factors, with the spec's own sweeps, beta and estimator.

    Noise is disabled. The weights are restored.

    Args:
        network: in float64.
        gradients: computes those of ``network`` on one batch, always with the same random numbers.
        seed: of the directions in which the weights are moved.
        trials: number of directions.
    """
    generator = torch.Generator().manual_seed(seed)
    base = _measured(network, gradients)
    found = dict.fromkeys(base, (0.0, 0.0))
    parameters = list(network.parameters())
    kept = [p.detach().clone() for p in parameters]
    for _ in range(trials):
        with torch.no_grad():
            for p, before in zip(parameters, kept, strict=True):
                signs = torch.randint(2, p.shape, generator=generator, dtype=p.dtype) * 2 - 1
                p.copy_(before * (1 + RELATIVE * signs.to(p.device)))
        moved = _measured(network, gradients)
        for block, (states, moved_gradients) in moved.items():
            factors = _factor(base[block][0], states), _factor(base[block][1], moved_gradients)
            found[block] = max(found[block][0], factors[0]), max(found[block][1], factors[1])
    with torch.no_grad():
        for p, before in zip(parameters, kept, strict=True):
            p.copy_(before)
    return [Amplification(block, *factors) for block, factors in found.items()]


def _measured(network: HybridNetwork, gradients: Gradients) -> Mapping[str, tuple[Tensor, Tensor]]:
    """Each block's free state and gradients, both as one vector."""
    quiet = {name: replace(s.quiet(), keep_states=True) for name, s in network.settings().items()}
    found = gradients(quiet)
    states = {
        report.block: torch.cat([s.flatten() for s in report.state])
        for report in network.phases()
        if report.phase == "free" and report.state is not None
    }
    return {
        block: (state, torch.cat([g.flatten() for g in _of_block(found, block)]))
        for block, state in states.items()
    }


def _of_block(gradients: Mapping[str, Tensor], block: str) -> list[Tensor]:
    return [g for name, g in gradients.items() if name.startswith(f"{block}.")]


def _factor(before: Tensor, after: Tensor) -> float:
    norm = float(before.norm())
    return float((after - before).norm()) / norm / RELATIVE if norm > 0 else 0.0
