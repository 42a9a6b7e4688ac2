"""Learning rates by epoch are those of torch's schedulers; optimisers get their arguments."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.ir.resolve.bind import fill_defaults
from ffebm_dsl.language.registry import OPTIMIZERS
from ffebm_dsl.running.training.optimizers import build_optimizer, learning_rate, set_learning_rate

ADAM = {"lr": 0.01, "beta1": 0.8, "beta2": 0.9, "eps": 1e-6, "weight_decay": 0.1, "groups": ()}


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
            CallIR(
                "sgd",
                {"lr": 0.2, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "groups": ()},
            ),
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
    optimizer = build_optimizer(call, {"b.u.linear.weight": nn.Parameter(torch.zeros(1))})
    assert type(optimizer) is kind
    assert {name: optimizer.param_groups[0][name] for name in expected} == expected


LABELS = (
    "b1.u.conv2d.weight",
    "b1.s1_s2.conv2d.weight",
    "b12.u.linear.bias",
    "readout.linear.bias",
)


def scale(part: str, lr: float = 1.0, weight_decay: float = 1.0) -> CallIR:
    return CallIR("scale", {"part": part, "lr": lr, "weight_decay": weight_decay})


def grouped(*groups: CallIR) -> tuple[torch.optim.Optimizer, dict[str, nn.Parameter]]:
    named = {label: nn.Parameter(torch.ones(1)) for label in LABELS}
    call = CallIR("sgd", {**SGD, "groups": groups})
    return build_optimizer(call, named, "logits"), named


SGD = {"lr": 0.5, "momentum": 0.0, "nesterov": False, "weight_decay": 0.1}


def test_groups_scale_their_parts_and_the_smaller_part_wins() -> None:
    groups = (scale("b1", lr=0.5), scale("b1.s1_s2", lr=2.0), scale("logits", 4.0, 0.0))
    optimizer, named = grouped(*groups)
    set_learning_rate(optimizer, 0.1)
    found = {
        label: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for label, parameter in named.items()
        if any(parameter is other for other in group["params"])
    }
    assert found == {
        LABELS[0]: (0.05, 0.1),
        LABELS[1]: (0.2, 0.1),
        LABELS[2]: (0.1, 0.1),
        LABELS[3]: (0.4, 0.0),
    }


def test_a_step_of_a_group_is_as_long_as_its_factor_says() -> None:
    optimizer, named = grouped(scale("b1", lr=0.25, weight_decay=0.0))
    set_learning_rate(optimizer, 0.4)
    for parameter in named.values():
        parameter.grad = torch.ones(1)
    optimizer.step()
    steps = [1 - float(parameter.detach()) for parameter in named.values()]
    assert steps == pytest.approx([0.1, 0.1, 0.44, 0.44])


def test_groups_come_back_with_the_state() -> None:
    optimizer, _ = grouped(scale("b1", lr=0.5))
    other, _ = grouped(scale("b1", lr=0.5))
    other.load_state_dict(optimizer.state_dict())
    set_learning_rate(other, 1.0)
    assert [group["lr"] for group in other.param_groups] == [1.0, 0.5]


def test_rmsprop_is_torchs_with_the_specs_settings() -> None:
    arguments = fill_defaults(OPTIMIZERS["rmsprop"], {"lr": 0.02, "alpha": 0.9, "momentum": 0.5})
    weight = nn.Parameter(torch.ones(2))
    optimizer = build_optimizer(CallIR("rmsprop", arguments), {"b.u.linear.weight": weight})
    assert isinstance(optimizer, torch.optim.RMSprop)
    (group,) = optimizer.param_groups
    assert (group["lr"], group["alpha"], group["momentum"]) == (0.02, 0.9, 0.5)
    assert (group["eps"], group["weight_decay"], group["centered"]) == (1e-8, 0.0, False)


def test_multistep_is_torchs_and_a_milestone_may_lie_within_an_epoch() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 5], gamma=0.3)
    call = CallIR("multistep", {"milestones": (2.0, 5.0), "gamma": 0.3})
    for epoch in range(8):
        assert learning_rate(call, 0.1, epoch, 8) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    half = CallIR("multistep", {"milestones": (1.5,), "gamma": 0.5})
    rates = [learning_rate(half, 1.0, 1, 4, part) for part in (0.0, 0.4, 0.5)]
    assert rates == [1.0, 1.0, 0.5]


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop"])
def test_biases_and_scales_do_not_decay_unless_they_are_to(name: str) -> None:
    construct = OPTIMIZERS[name]
    named = {
        "b.u.linear.weight": nn.Parameter(torch.ones(2, 3)),
        "b.u.linear.bias": nn.Parameter(torch.ones(3)),
        "b.u.batch_norm1d.weight": nn.Parameter(torch.ones(3)),
        "b.u.layer_norm_2.weight": nn.Parameter(torch.ones(2, 4, 4)),
        "b.u.layer_norm_2.bias": nn.Parameter(torch.ones(2, 4, 4)),
        "b.s1_unit_bias.bias": nn.Parameter(torch.ones(4, 3)),
        "b.s1_attention.query": nn.Parameter(torch.ones(4, 3)),
        "b.s1_s2.linear_2.backward_weight": nn.Parameter(torch.ones(4, 3)),
    }
    weights = {label for label in named if "linear" in label and "weight" in label}
    given = {"lr": 0.1, "weight_decay": 0.5, "decayed": "weights"}
    call = CallIR(name, fill_defaults(construct, given))
    optimizer = build_optimizer(call, named)
    for parameter in named.values():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    moved = {label for label, p in named.items() if (p != 1).any()}
    assert moved == {*weights, "b.s1_attention.query"}
    assert construct.conflict({**call.arguments, "weight_decay": 0.0}) is not None
    group = CallIR("scale", {"part": "b", "lr": 0.1, "weight_decay": 2.0})
    call = CallIR(name, {**call.arguments, "groups": (group,)})
    groups = build_optimizer(call, named).param_groups
    assert [g["weight_decay"] for g in groups] == [1.0, 0.0]
    assert {g["lr_factor"] for g in groups} == {0.1}


ANALOG = """ffe 1.1
model m {
  input x: vector(6)  target y: label(3)
  block b {
    energy KIND {
      layer s1: [3] ACTIVATION
      layer s2: [3] ACTIVATION
      x -> s1 : linear()
      s1 <-> s2
      TERM
    }
    out = s2
  }
  loss = mse(b, y)
}
train { data = npz("a.npz")  optimizer = sgd(lr=0.1, groups=[GROUPS])  epochs = 1 }
"""


@pytest.mark.parametrize(
    ("kind", "activation", "term", "parts"),
    [
        ("hopfield", "tanh", "s1 : memory(4)", ("b", "b.x_s1", "b.s1_memory")),
        ("hopfield", "tanh", "", ("b",)),
        ("oscillator", "angle", "", ("b", "b.x_s1")),
        ("resistive", "diode", "", ("b.x_s1",)),
    ],
)
def test_drives_and_terms_are_parts_of_a_block(
    kind: str, activation: str, term: str, parts: tuple[str, ...]
) -> None:
    factors = {part: 2.0 + i for i, part in enumerate(parts)}
    groups = ", ".join(f"scale({part}, lr={factor})" for part, factor in factors.items())
    text = ANALOG.replace("KIND", kind).replace("ACTIVATION", activation).replace("TERM", term)
    spec = compile_spec(SourceFile("a.ffe", text.replace("GROUPS", groups))).spec
    network = build(spec)
    labels = network.labels()
    named = {labels[name]: p for name, p in network.named_parameters()}
    assert spec.train is not None
    found = build_optimizer(spec.train.optimizer, named)
    got = {p: group["lr_factor"] for group in found.param_groups for p in group["params"]}
    for label, parameter in named.items():
        part = max((part for part in parts if label.startswith(f"{part}.")), key=len)
        assert got[parameter] == factors[part]
