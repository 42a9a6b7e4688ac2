"""A block built in Python agrees with that of a spec: settings, states and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ffebm_dsl import (
    Coupling,
    Drive,
    EnergyBlock,
    HopfieldEnergy,
    Layer,
    Linear,
    MaxPool2d,
    Tanh,
    load,
)
from ffebm_dsl.build import default_settings
from ffebm_dsl.physics.energy import Energy
from ffebm_dsl.physics.interfaces import inner
from ffebm_dsl.physics.network import HybridNetwork
from tests.problems import normal

TEXT = """
ffe 1.1
model m {
  input x: vector(5)
  target y: label(2)
  block b {
    feedforward u = x |> linear(6)
    energy hopfield {
      layer s1: [6] tanh
      layer s2: [4] tanh
      layer s3: [3] tanh(0.5)
      u  ->  s1
      s1 <-> s2 : linear()
      s2 <-> s3 : linear()
    }
    out = s3
  }
  readout logits = b |> linear(2)
  loss = cross_entropy(logits, y)
}
"""


def from_python() -> EnergyBlock:
    energy = HopfieldEnergy(
        layers=[Layer("s1", (6,), Tanh()), Layer("s2", (4,), Tanh()), Layer("s3", (3,), Tanh(0.5))],
        couplings={
            "s1_s2": Coupling(0, 1, {"linear": Linear((6,), 4)}),
            "s2_s3": Coupling(1, 2, {"linear": Linear((4,), 3)}),
        },
        drives={"u": Drive(0)},
    )
    return EnergyBlock(energy, outputs=[2]).double()


def from_text() -> HybridNetwork:
    return load(TEXT, dtype=torch.float64)


def test_a_block_without_settings_has_those_of_the_language() -> None:
    (block,) = from_text().blocks
    assert from_python().settings == block.core.settings


def test_text_and_python_have_the_same_gradients() -> None:
    network, core = from_text(), from_python()
    (block,) = network.blocks
    core.load_state_dict(block.core.state_dict())
    model = nn.Sequential(*block.maps, core, network.readout)
    x, y = normal(7, 5), torch.arange(7) % 2
    found = []
    for logits, parameters in (
        (network(x), [*block.maps.parameters(), *block.core.parameters()]),
        (model(x), [*model[0].parameters(), *core.parameters()]),
    ):
        loss = nn.functional.cross_entropy(logits, y)
        found.append([loss, *torch.autograd.grad(loss, [*parameters])])
    assert len(found[0]) == 7
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert all(bool(g.abs().sum() > 0) for g in found[1])


def test_layers_of_an_energy_that_says_nothing_of_its_couplings_move_one_by_one() -> None:
    class Pairs(Energy):
        def phi(self, state: Sequence[Tensor], drives: Sequence[Tensor]) -> Tensor:
            return inner(state[0], state[2]) + inner(drives[0], state[1])

    energy = Pairs([Layer(name, (2,), Tanh()) for name in "abc"])
    settings = default_settings(energy)
    assert settings.free.schedule == ((0,), (1,), (2,))
    assert settings.nudged.schedule == ((2,), (1,), (0,))


def test_an_energy_that_gives_only_phi_refuses_to_freeze_poolings() -> None:
    class OnlyPhi(Energy):
        def __init__(self) -> None:
            super().__init__([Layer("s1", (2, 4, 4), Tanh()), Layer("s2", (2, 2, 2), Tanh())])
            self.pooled = Coupling(0, 1, {"pool": MaxPool2d((2, 4, 4), 2, stride=2)})

        def phi(self, state: Sequence[Tensor], drives: Sequence[Tensor]) -> Tensor:
            return inner(self.pooled(state[0]), state[1]) + inner(drives[0], state[0])

    block, drive = EnergyBlock(OnlyPhi(), outputs=[1]), torch.randn(3, 2, 4, 4)
    assert block(drive).shape == (3, 2, 2, 2)
    block.configure(free=replace(block.settings.free, freeze_after=2))
    with pytest.raises(ValueError, match="OnlyPhi gives only phi, and cannot keep choices"):
        block(drive)


def test_a_setting_given_is_kept() -> None:
    settings = from_python().settings
    block = EnergyBlock(from_python().energy, [2], settings)
    assert block.settings is settings
    with pytest.raises(AttributeError):
        block.free = settings.free
