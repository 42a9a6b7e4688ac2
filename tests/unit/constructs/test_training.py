"""Initialisers, losses, augmentations, optimizers and schedules keep their promises."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor, full, nn

from ffebm_dsl.language.registry import (
    AUGMENTATIONS,
    INITIALISERS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    TARGETS,
    EpochPosition,
)

from .arguments import arguments

PROPERTY = settings(max_examples=25, deadline=None)


@pytest.mark.parametrize("name", INITIALISERS.visible())
@PROPERTY
@given(data=st.data())
def test_an_initialiser_draws_from_its_generator_alone(name: str, data: st.DataObject) -> None:
    values = arguments(data.draw, INITIALISERS[name])
    shape = data.draw(st.sampled_from([(5, 3, 3, 3), (4, 6)]))
    before = torch.get_rng_state()

    def drawn(seed: int) -> Tensor:
        weight = torch.full(shape, torch.nan, dtype=torch.float64)
        INITIALISERS[name].draw(weight, Generator().manual_seed(seed), **values)
        return weight

    assert torch.equal(drawn(1), drawn(1))
    assert torch.equal(drawn(1), drawn(2)) == INITIALISERS[name].zero
    assert drawn(1).isfinite().all()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", LOSSES.visible())
@PROPERTY
@given(data=st.data())
def test_a_loss_takes_the_targets_that_it_names_and_gives_one_number_a_sample(
    name: str, data: st.DataObject
) -> None:
    loss = LOSSES[name]
    values = arguments(data.draw, replace(loss, parameters=loss.settings))
    assume(loss.misfit(values, 3) is None)
    assert set(loss.targets) <= set(TARGETS)
    for kind in loss.targets:
        prediction = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
        classes = TARGETS[kind].classes
        target = torch.tensor([0, 1, 2, 1]) if classes else torch.randn(4, 3, dtype=torch.float64)
        losses = loss.per_sample(prediction, target, **values)
        assert losses.shape == (4,)
        (gradient,) = torch.autograd.grad(losses[1], prediction)
        assert not gradient[[0, 2, 3]].any() and gradient[1].any()


MIXING = [name for name, known in AUGMENTATIONS.visible().items() if known.mix is not None]


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS.visible().keys() - MIXING))
@PROPERTY
@given(data=st.data())
def test_an_augmentation_keeps_shape_and_type(name: str, data: st.DataObject) -> None:
    construct = AUGMENTATIONS[name]
    values = arguments(data.draw, construct)
    images = torch.arange(prod((3, 2, 5, 4))).reshape(3, 2, 5, 4).to(torch.uint8)
    before = images.clone()
    draws = np.random.default_rng(0).random((3, construct.draws))
    assert construct.apply is not None
    changed = construct.apply(images, draws, values)
    assert changed.shape == images.shape and changed.dtype == images.dtype
    assert torch.equal(images, before)
    # A sample's change depends on its own numbers alone.
    alone = construct.apply(images[1:2], draws[1:2], values)
    assert torch.equal(changed[1:2], alone)


@pytest.mark.parametrize("name", MIXING)
@PROPERTY
@given(data=st.data())
def test_a_mixture_is_of_two_samples_and_their_targets(name: str, data: st.DataObject) -> None:
    construct = AUGMENTATIONS[name]
    values = arguments(data.draw, construct)
    ones, zeros = (full((40, 2, 5, 4), value, dtype=torch.float64) for value in (1.0, 0.0))
    draws = np.random.default_rng(0).random((40, construct.draws))
    assert construct.mix is not None
    mixed, own = construct.mix(ones, zeros, draws, values)
    assert mixed.shape == ones.shape and own.shape == (40,)
    assert bool(((own >= 0) & (own <= 1)).all())
    # Of each sample as much is its own as of its target.
    torch.testing.assert_close(mixed.mean((1, 2, 3)), own)
    alone = construct.mix(ones[1:2], zeros[1:2], draws[1:2], values)
    assert torch.equal(alone[0], mixed[1:2]) and torch.equal(alone[1], own[1:2])


@pytest.mark.parametrize("name", OPTIMIZERS.visible())
@PROPERTY
@given(data=st.data())
def test_an_optimizer_makes_a_parabola_smaller(name: str, data: st.DataObject) -> None:
    construct = OPTIMIZERS[name]
    values: dict[str, Any] = {p.name: p.default for p in construct.parameters}
    values |= arguments(data.draw, construct) | {"lr": 1e-3, "weight_decay": 0.0}
    if construct.conflict(values) is not None:
        return
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = construct.make([{"params": [weight]}], values)
    assert isinstance(optimizer, torch.optim.Optimizer)
    before = float(weight.detach().square().sum())
    for _ in range(3):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert float(weight.detach().square().sum()) < before


@pytest.mark.parametrize("name", SCHEDULES.visible())
@PROPERTY
@given(data=st.data())
def test_a_schedule_gives_finite_rates_that_are_not_negative(
    name: str, data: st.DataObject
) -> None:
    construct = SCHEDULES[name]
    values = arguments(data.draw, construct)
    epochs = data.draw(st.integers(1, 12))
    for epoch in range(epochs):
        rate = construct.rate(values, 0.1, EpochPosition(epoch, epochs, 0.5))
        assert rate >= 0 and rate < float("inf")
