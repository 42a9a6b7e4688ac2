"""A feedforward network with the layers of a spec, for a step of backpropagation.

It has the parameters, maps, couplings, activations, readouts and losses of the energy-based
network. Each block is evaluated once, layer by layer; a layer depends on the drives and the layers
before it. A step thus has the cost of the same layers without relaxation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from ffebm_dsl.physics.energy import HopfieldEnergy
from ffebm_dsl.physics.network import EnergyBlock, HybridNetwork


class FeedforwardBlock(nn.Module):
    """The layers of an energy block, computed one after the other; called like the block.

    A coupling acts on the later of its two layers, and a lateral coupling on none.
    """

    def __init__(self, core: EnergyBlock, energy: HopfieldEnergy) -> None:
        super().__init__()
        self.name, self.energy, self.outputs = core.name, energy, core.outputs

    def forward(self, *drives: Tensor, settings: object = None) -> Tensor | tuple[Tensor, ...]:
        states = self._states(drives)
        found = tuple(states[i] for i in self.outputs)
        return found if len(found) > 1 else found[0]

    def loss(
        self, *drives: Tensor, loss: Callable[[Tensor, int], Tensor], **rest: object
    ) -> tuple[Tensor, Tensor]:
        """The loss of each sample, (B,), and the corresponding state."""
        state = self._states(drives)[self.outputs[0]]
        return loss(state, 1), state

    def _states(self, drives: Sequence[Tensor]) -> list[Tensor]:
        energy, states = self.energy, list[Tensor]()
        for i, layer in enumerate(energy.layers):
            zero = drives[0].new_zeros(len(drives[0]), *layer.shape)
            fields = [d(u) for d, u in zip(energy.drives, drives, strict=True) if d.layer == i]
            for c in energy.couplings:
                if c.source < c.target == i:
                    fields.append(c(states[c.source]))
                elif c.target < c.source == i:
                    fields.append(c.back(zero, states[c.target]))
            states.append(layer.activation(sum(fields[1:], start=fields[0]) if fields else zero))
        return states


def feedforward(network: HybridNetwork) -> HybridNetwork | None:
    """A copy of ``network`` with feedforward blocks.

    None if the energy of a block is not made of couplings and drives.
    """
    plain = copy.deepcopy(network)
    for block in plain.blocks:
        energy = block.core.energy
        if type(energy) is not HopfieldEnergy or len(energy.terms):
            return None
        block.core = FeedforwardBlock(block.core, energy)  # type: ignore[assignment]
    return plain
