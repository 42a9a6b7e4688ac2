"""Forty training steps of the reference implementation of arXiv 2409.03306, in float64.

Three blocks without max pooling in a coupling, centered EP with the loss as nudge, Adam. With live
max pooling inside couplings, trajectories are not comparable: rounding decides the routing.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
import torch

import ffebm_dsl

HERE = Path(__file__).parent


@pytest.mark.slow
def test_the_losses_and_the_final_parameters_are_reproduced() -> None:
    network = ffebm_dsl.load(HERE / "trajectory_adam.ffe", dtype=torch.float64)
    labels = network.labels()
    with h5py.File(HERE / "trajectory_adam.h5") as file:
        images, targets = torch.from_numpy(file["images"][:]), torch.from_numpy(file["targets"][:])
        losses = file["loss"][:]
        initial = {name: torch.from_numpy(file[f"initial/{name}"][:]) for name in file["initial"]}
        final = {name: torch.from_numpy(file[f"final/{name}"][:]) for name in file["final"]}
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(initial.pop(labels[name]))
    assert not initial
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, eps=1e-3, weight_decay=3e-4)
    for step, expected in enumerate(losses):
        x = (images[step, :, None].double() / 255 - 0.1) / 0.275
        optimizer.zero_grad()
        outcome = network(x.repeat(1, 3, 1, 1), targets[step].long())
        assert outcome.loss.item() == pytest.approx(expected, rel=1e-6), f"step {step}"
        outcome.loss.backward()
        optimizer.step()
    for name, parameter in network.named_parameters():
        reference = final.pop(labels[name])
        error = (parameter.detach() - reference).norm() / reference.norm()
        assert error < 1e-4, f"{labels[name]}: {error:.2g}"
    assert not final
