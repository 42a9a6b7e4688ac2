"""Learning rates by epoch are those of torch's schedulers; optimisers get their arguments."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from ffebm_dsl.ir.model import CallIR
from ffebm_dsl.training.optimizers import build_optimizer, learning_rate

ADAM = {"lr": 0.01, "beta1": 0.8, "beta2": 0.9, "eps": 1e-6, "weight_decay": 0.1}


def rates(scheduler: lr_scheduler.LRScheduler, epochs: int) -> list[float]:
    seen = []
    for _ in range(epochs):
        seen.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return seen


def sgd() -> torch.optim.SGD:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)


def test_cosine_is_torchs() -> None:
    theirs = rates(lr_scheduler.CosineAnnealingLR(sgd(), 20, eta_min=0.003), 20)
    call = CallIR("cosine", {"eta_min": 0.003})
    assert [learning_rate(call, 0.1, e, 20) for e in range(20)] == pytest.approx(theirs, rel=1e-12)


def test_restarts_are_torchs_step_by_step() -> None:
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(sgd(), T_0=2, eta_min=0.003)
    call = CallIR("cosine_restarts", {"period": 2, "eta_min": 0.003})
    for epoch in range(5):
        for part in (0.0, 0.25, 0.5, 0.75):
            scheduler.optimizer.step()
            scheduler.step(epoch + part)
            theirs = scheduler.get_last_lr()[0]
            assert learning_rate(call, 0.1, epoch, 5, part) == pytest.approx(theirs, rel=1e-12)


def test_step_is_torchs() -> None:
    theirs = rates(lr_scheduler.StepLR(sgd(), 3, gamma=0.5), 10)
    call = CallIR("step", {"size": 3, "gamma": 0.5})
    assert [learning_rate(call, 0.1, e, 10) for e in range(10)] == pytest.approx(theirs, rel=1e-12)


def test_constant_stays() -> None:
    assert learning_rate(CallIR("constant"), 0.1, 7, 10) == 0.1


@pytest.mark.parametrize(
    ("call", "kind", "expected"),
    [
        (
            CallIR("sgd", {"lr": 0.2, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
            torch.optim.SGD,
            {"lr": 0.2, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        ),
        (
            CallIR("adam", ADAM),
            torch.optim.Adam,
            {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-6, "weight_decay": 0.1},
        ),
        (
            CallIR("adamw", ADAM),
            torch.optim.AdamW,
            {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-6, "weight_decay": 0.1},
        ),
    ],
)
def test_optimisers_get_every_argument(
    call: CallIR, kind: type[torch.optim.Optimizer], expected: dict[str, object]
) -> None:
    optimizer = build_optimizer(call, [nn.Parameter(torch.zeros(1))])
    assert type(optimizer) is kind
    assert {name: optimizer.param_groups[0][name] for name in expected} == expected
