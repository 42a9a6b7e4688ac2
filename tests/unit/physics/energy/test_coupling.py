"""Adjoints are transposes: <op_lin(a), b> = <a, op^T b>, for every op and geometry."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ffebm_dsl.physics.energy import (
    AvgPool2d,
    Conv2d,
    Coupling,
    Flatten,
    Identical,
    Linear,
    LinearOp,
    MaxPool2d,
    inner,
)
from ffebm_dsl.physics.modules import NamedModules
from tests.problems import normal


def assert_transpose(op: LinearOp, seed: int = 0) -> None:
    op = op.double()
    for parameter in op.parameters():
        torch.nn.init.normal_(parameter)
    a = normal(3, *op.in_shape, seed=seed)
    forward = op.tangent(a)
    b = normal(*forward.shape, seed=seed + 1)
    assert torch.allclose(inner(forward, b), inner(a, op.adjoint(b)), atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(5, 9),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
)
def test_conv2d(
    size: int, kernel: int, stride: int, padding: int, dilation: int, groups: int
) -> None:
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        return
    assert_transpose(
        Conv2d(
            (2, size, size + 1),
            4,
            kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )
    )


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 0)])
def test_avg_pool2d(kernel: int, stride: int, padding: int) -> None:
    assert_transpose(AvgPool2d((2, 7, 8), kernel, stride=stride, padding=padding))


def test_dense_ops() -> None:
    assert_transpose(Linear((5,), 3))
    assert_transpose(Flatten((2, 3, 4)))
    assert_transpose(Identical((2, 3)))


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1)])
def test_max_pool2d_at_a_routing(kernel: int, stride: int, padding: int) -> None:
    op = MaxPool2d((2, 7, 7), kernel, stride=stride, padding=padding)
    a, other = normal(3, 2, 7, 7), normal(3, 2, 7, 7, seed=5)
    pooled, routing = op(a)
    assert torch.equal(op.tangent(a, routing), pooled)
    b = normal(*pooled.shape, seed=7)
    left = inner(op.tangent(other, routing), b)
    assert torch.allclose(left, inner(other, op.adjoint(b, routing)), atol=1e-12)


def test_chain_is_differentiated_like_autograd() -> None:
    ops = {
        "conv2d": Conv2d((2, 6, 6), 3, 3, padding=1),
        "max_pool2d": MaxPool2d((3, 6, 6), 2, stride=2),
        "flatten": Flatten((3, 3, 3)),
        "linear": Linear((27,), 4),
    }
    coupling = Coupling(0, 1, NamedModules(ops)).double()
    for parameter in coupling.parameters():
        torch.nn.init.normal_(parameter)
    a, b = normal(3, 2, 6, 6).requires_grad_(), normal(3, 4, seed=1)
    out, routing = coupling(a)
    (expected,) = torch.autograd.grad(inner(out, b).sum(), a)
    assert torch.allclose(coupling.adjoint(b, routing), expected, atol=1e-12)
    assert torch.allclose(coupling.along(a, routing), out, atol=1e-12)
    bias = coupling.along(torch.zeros_like(a), routing)
    assert torch.allclose(coupling.tangent(a, routing) + bias, out, atol=1e-12)
    assert coupling.routed


def test_adjoint_is_differentiable_in_the_weight() -> None:
    """Unrolled gradients need the adjoint's own gradient: a detached weight would lose it."""
    op = Conv2d((1, 4, 4), 2, 3, padding=1).double()
    torch.nn.init.normal_(op.weight)
    b = normal(2, 2, 4, 4)
    assert torch.autograd.gradcheck(
        lambda w: torch.func.functional_call(_Adjoint(op), {"op.weight": w}, (b,)),
        (op.weight.detach().clone().requires_grad_(),),
    )


class _Adjoint(torch.nn.Module):
    def __init__(self, op: Conv2d) -> None:
        super().__init__()
        self.op = op

    def forward(self, b: torch.Tensor) -> torch.Tensor:
        return self.op.adjoint(b)
