"""Adjoints are transposes: <op_lin(a), b> = <a, op^T b>, for every op and geometry."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ffebm_dsl.constructs.ops.avg_pool2d import AvgPool2d
from ffebm_dsl.constructs.ops.conv2d import Conv2d
from ffebm_dsl.constructs.ops.flatten import Flatten
from ffebm_dsl.constructs.ops.identity import Identical
from ffebm_dsl.constructs.ops.linear import Linear
from ffebm_dsl.constructs.ops.max_pool2d import MaxPool2d
from ffebm_dsl.physics.energy import Coupling
from ffebm_dsl.physics.interfaces import LinearOp, Weights, inner
from tests.problems import normal


def drawn(op: LinearOp, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights of an op."""
    return {
        name: normal(*shape, seed=seed + 10 * k)
        for k, (name, shape) in enumerate(op.weight_shapes().items())
    }


def assert_transpose(op: LinearOp, seed: int = 0) -> None:
    weights, a = drawn(op), normal(3, *op.in_shape, seed=seed)
    forward = op.tangent(a, weights)
    assert tuple(forward.shape[1:]) == op.out_shape
    b = normal(*forward.shape, seed=seed + 1)
    assert torch.allclose(inner(forward, b), inner(a, op.adjoint(b, weights)), atol=1e-10)


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


@pytest.mark.parametrize("stride", [(1, 1), (1, 2), (3, 2)])
@pytest.mark.parametrize(("kernel", "padding"), [((3, 5), (1, 2)), ((1, 4), (0, 0)), (2, (1, 0))])
def test_windows_that_are_not_square(
    kernel: int | tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> None:
    window = {"stride": stride, "padding": padding}
    op = Conv2d((2, 7, 9), 4, kernel, dilation=(2, 1), **window)
    assert_transpose(op)
    assert_transpose(AvgPool2d((2, 7, 9), kernel, **window))
    plain = nn.Conv2d(2, 4, kernel, stride, padding, dilation=(2, 1)).double()
    x = normal(3, 2, 7, 9)
    torch.testing.assert_close(op.forward(x, dict(plain.named_parameters())), plain(x))
    pooled, routing = MaxPool2d((2, 7, 9), kernel, **window).forward(x)
    torch.testing.assert_close(pooled, nn.functional.max_pool2d(x, kernel, stride, padding))
    assert routing.shape == pooled.shape


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
    pooled, routing = op.forward(a)
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
    coupling = Coupling(0, 1, ops).double()
    chain = coupling.bound(coupling.weights())
    a, b = normal(3, 2, 6, 6).requires_grad_(), normal(3, 4, seed=1)
    out, routing = chain.forward(a)
    (expected,) = torch.autograd.grad(inner(out, b).sum(), a)
    assert torch.allclose(chain.adjoint(b, routing), expected, atol=1e-12)
    assert torch.allclose(chain.forward(a, routing)[0], out, atol=1e-12)
    bias = chain.forward(torch.zeros_like(a), routing)[0]
    assert torch.allclose(chain.tangent(a, routing) + bias, out, atol=1e-12)
    assert coupling.routed


def test_adjoint_is_differentiable_in_the_weight() -> None:
    """Unrolled gradients need the adjoint's own gradient: a detached weight would lose it."""
    op = Conv2d((1, 4, 4), 2, 3, padding=1)
    b, weights = normal(2, 2, 4, 4), drawn(op)
    assert torch.autograd.gradcheck(
        lambda w: op.adjoint(b, {**weights, "weight": w}), (weights["weight"].requires_grad_(),)
    )


class Rolled(LinearOp):
    """An op that says no more than it must: what ``tangent`` does."""

    in_shape, out_shape = (3, 5), (3, 5)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"scale": (3,), "bias": (3,)}

    def tangent(self, x: torch.Tensor, weights: Weights) -> torch.Tensor:
        return x.roll(1, 2) * weights["scale"].view(1, 3, 1)


def test_adjoint_and_gradients_follow_from_the_tangent() -> None:
    op = Rolled()
    assert_transpose(op)
    coupling = Coupling(0, 1, {"rolled": op}).double()
    weights = {k: w.detach().requires_grad_() for k, w in coupling.weights().items()}
    a, b = normal(4, 3, 5), normal(4, 3, 5, seed=1)
    chain = coupling.bound(weights)
    expected = torch.autograd.grad(inner(chain.forward(a)[0], b).sum(), list(weights.values()))
    found = chain.weight_gradient(a, b, ())
    assert list(found) == list(weights)
    for name, gradient in zip(weights, expected, strict=True):
        assert torch.allclose(found[name], gradient, atol=1e-12), name
    packed = coupling.bound({k: w.detach() for k, w in weights.items()}, batch=4)
    assert torch.equal(packed.forward(a)[0], chain.forward(a)[0])
