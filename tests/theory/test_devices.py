"""A training step on a GPU: the same numbers as on the CPU, and all tensors on the GPU.

Without a GPU, the step runs on PyTorch's fake tensors: no number is computed, but every operation
of forward pass, nudged phases, backward pass and optimiser is dispatched, and one that mixes
devices is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorDeviceMismatchError, FakeTensorMode
from torch.utils._pytree import tree_leaves

import ffebm_dsl
from ffebm_dsl.physics.network import HybridNetwork, Outcome

SPEC = """
ffe 1.0
model two_blocks {{
  input x: image(2, 8, 8)
  target y: label(3)
  relax free {{ sweeps = 6 order = asynchronous {free} }}
  relax nudged {{ sweeps = 4 order = asynchronous_reversed {nudged} }}
  gradient {first}
  block b1 {{
    feedforward u = x |> conv2d(4, kernel=3, padding=1) |> batch_norm2d()
    energy hopfield {{
      layer s1: [4, 8, 8] hard_sigmoid(0.5)
      layer s2: [4, 4, 4] tanh
      u -> s1
      s1 <-> s2 : conv2d(kernel=3, padding=1) |> max_pool2d(2)
      s2 <-> s2 : conv2d(kernel=1)
    }}
    out = s2
  }}
  block b2 {{
    feedforward u = b1 |> avg_pool2d(2) |> group_norm(2)
    feedforward v = b1 |> flatten() |> linear(5)
    energy hopfield {{
      layer s1: [4, 2, 2] relu(0.5)
      layer s2: [5]       sigmoid
      u -> s1
      v -> s2
      s1 <-> s2 : flatten() |> linear()
    }}
    gradient {last}
    out = s2
  }}
  readout logits = b2 |> linear(3)
  loss = {loss}(logits, y)
}}
"""

# Fake tensors of "cuda" need a PyTorch with CUDA; any device but the CPU's shows a mixture.
ELSEWHERE = "meta"

EP = "ep(beta=0.1, estimator=centered)"
CASES = {
    "centered": {},
    "positive": {"first": "ep(beta=0.1, estimator=positive)"},
    "negative": {"first": "ep(beta=0.1, estimator=negative)", "loss": "mse"},
    "nudged by the loss": {"last": "ep(beta=0.1, nudge=loss)"},
    "implicit": {"first": "implicit(sweeps=5)", "last": "implicit(sweeps=5)"},
    "unrolled": {"first": "unrolled(sweeps=3)", "last": "unrolled(sweeps=3)"},
    "to a tolerance": {"free": "tolerance = 1e-3", "nudged": "tolerance = 1e-3"},
    "damped": {"free": "damping = 0.2"},
    "frozen routing": {"free": "routing = frozen(after=2)"},
}


def network(case: str, dtype: torch.dtype) -> HybridNetwork:
    words = {"free": "", "nudged": "", "first": EP, "last": EP, "loss": "cross_entropy"}
    return ffebm_dsl.load(SPEC.format(**words | CASES[case]), seed=0, dtype=dtype)


def step(model: HybridNetwork, x: Tensor, y: Tensor) -> Outcome:
    """Forward, backward, and a step of each optimiser that keeps state of its own."""
    outcome = model(x, y)
    assert isinstance(outcome, Outcome)
    outcome.loss.backward()
    for kind in (torch.optim.Adam, torch.optim.SGD):
        kind(model.parameters(), lr=1e-2).step()
    return outcome


class PretendedGPU(FakeTensorMode):
    """Fake tensors on a device of their own; a value that the host asks for is false or one."""

    def dispatch(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # PyTorch's own signature
        if func is torch.ops.aten._local_scalar_dense.default:
            return False if args[0].dtype == torch.bool else 1
        # PyTorch's own check leaves convolutions out.
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        places = {leaf.device for leaf in given if leaf.dim()}
        if "convolution" in func.name() and len(places) > 1:
            raise FakeTensorDeviceMismatchError(func, *places)
        return super().dispatch(func, types, args, kwargs)


@contextmanager
def pretended(model: HybridNetwork) -> Iterator[None]:
    """The model's parameters and buffers, pretended to be on a GPU."""
    with PretendedGPU(allow_non_fake_inputs=False):
        for module in model.modules():
            for table in (module._parameters, module._buffers):
                for name, tensor in table.items():
                    if tensor is None:
                        continue
                    there = torch.empty(tensor.shape, dtype=tensor.dtype, device=ELSEWHERE)
                    grown = isinstance(tensor, torch.nn.Parameter)
                    table[name] = torch.nn.Parameter(there) if grown else there
        yield


@pytest.mark.parametrize("case", CASES)
def test_no_operation_mixes_devices(case: str) -> None:
    model = network(case, torch.float32)
    with pretended(model):
        x = torch.empty(3, 2, 8, 8, device=ELSEWHERE)
        y = torch.zeros(3, dtype=torch.int64, device=ELSEWHERE)
        outcome = step(model, x, y)
        assert {t.device.type for t in outcome} == {ELSEWHERE}
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.device.type == ELSEWHERE, name


@pytest.mark.parametrize("left", ["layer", "input"])
def test_a_tensor_left_on_the_cpu_would_be_seen(left: str) -> None:
    model = network("centered", torch.float32)
    with pretended(model):
        y = torch.zeros(3, dtype=torch.int64, device=ELSEWHERE)
        x = torch.empty(3, 2, 8, 8, device="cpu" if left == "input" else ELSEWHERE)
        if left == "layer":
            coupling = model.stages["b1"].core.energy.couplings["s1_s2"].ops["conv2d"]  # type: ignore[union-attr]
            coupling.bias = torch.nn.Parameter(torch.empty(4))
        with pytest.raises(FakeTensorDeviceMismatchError):
            step(model, x, y)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-3)], ids=["f64", "f32"]
)
def test_a_gpu_computes_what_the_cpu_does(case: str, dtype: torch.dtype, tolerance: float) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(6, 2, 8, 8, dtype=torch.float64, generator=generator)
    y = torch.tensor([0, 1, 2, 2, 1, 0])
    here, there = network(case, torch.float64), network(case, dtype).to("cuda")
    reference, outcome = step(here, x, y), step(there, x.to("cuda", dtype), y.to("cuda"))
    assert torch.allclose(outcome.loss.cpu().double(), reference.loss, rtol=tolerance)
    for (name, a), b in zip(here.named_parameters(), there.parameters(), strict=True):
        assert a.grad is not None and b.grad is not None
        apart = (b.grad.cpu().double() - a.grad).norm()
        assert apart <= tolerance * a.grad.norm().clamp_min(1e-6), name
