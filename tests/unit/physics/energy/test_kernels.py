"""Prepared convolutions equal the plain ones, packed or not, in every geometry."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ffebm_dsl.constructs.ops.conv2d import Conv2d
from ffebm_dsl.physics.energy import kernels
from ffebm_dsl.physics.energy.kernels import PackedConvolution, packs
from ffebm_dsl.physics.interfaces import BoundOp
from ffebm_dsl.physics.layout import channels_last, take_rows


def single(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def drawn(op: Conv2d) -> dict[str, torch.Tensor]:
    """Random weights of an op."""
    return {
        name: single(*shape, seed=k) for k, (name, shape) in enumerate(op.weight_shapes().items())
    }


def check(op: Conv2d) -> None:
    weights = drawn(op)
    plain, packed = BoundOp(op, weights), op.packed(weights, 3)
    x, y = single(3, *op.in_shape, seed=5), single(3, *op.out_shape, seed=6)
    with torch.no_grad():
        for batch in (3, 1):  # packed for one size, and used with another
            assert_same(packed(x[:batch]), plain(x[:batch]))
            assert_same(packed.tangent(x[:batch]), plain.tangent(x[:batch]))
            assert_same(packed.adjoint(y[:batch]), plain.adjoint(y[:batch]))
            base = channels_last(x[:batch])
            before = base.clone()
            expected = x[:batch] + plain.adjoint(y[:batch])
            assert_same(packed.adjoint_onto(y[:batch], base), expected)
            assert torch.equal(base, before)


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(5, 9),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
    bias=st.booleans(),
)
def test_every_geometry(
    size: int, kernel: int, stride: int, padding: int, dilation: int, groups: int, bias: bool
) -> None:
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        return
    check(
        Conv2d(
            (4, size, size + 1),
            6,
            kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
    )


def test_the_comparison_sees_a_wrong_weight() -> None:
    op = Conv2d((4, 5, 5), 6, 3, padding=1)
    weights, x = drawn(op), single(2, 4, 5, 5)
    stale = op.packed(weights, 2)
    weights["weight"][0, 0, 0, 0] += 0.01
    with pytest.raises(AssertionError):
        assert_same(stale(x), op.forward(x, weights))


class Mistaken:
    """A packed operator that is there and does something else."""

    def __call__(self, x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return torch.zeros(1)

    onto = __call__


@pytest.mark.parametrize("failure", [AttributeError, RuntimeError, None])
def test_without_packed_operators_plain_convolutions_serve(
    monkeypatch: pytest.MonkeyPatch, failure: type[Exception] | None
) -> None:
    def packing(*_: object) -> object:
        if failure is None:
            return Mistaken()
        raise failure("no such operator")

    kernels._packing_works.cache_clear()
    monkeypatch.setattr(kernels, "_Packed", packing)
    try:
        op = Conv2d((4, 5, 5), 6, 3, padding=1)
        assert not packs(drawn(op)["weight"])
        check(op)
    finally:
        kernels._packing_works.cache_clear()


def test_double_precision_is_not_packed_and_keeps_its_layout() -> None:
    op = Conv2d((4, 5, 5), 6, 3, padding=1)
    double = {name: weight.double() for name, weight in drawn(op).items()}
    assert not isinstance(op.packed(double, 2), PackedConvolution)
    x = torch.zeros(2, 4, 5, 5, dtype=torch.float64)
    assert channels_last(x) is x


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="PyTorch without oneDNN")
def test_single_precision_on_a_cpu_is_packed() -> None:
    op = Conv2d((4, 5, 5), 6, 3)
    assert isinstance(op.packed(drawn(op), 2), PackedConvolution)


@pytest.mark.parametrize("layout", [channels_last, torch.Tensor.contiguous])
def test_rows_are_taken_in_the_layout_at_hand(
    layout: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    x = layout(single(5, 3, 4, 4))
    rows = torch.tensor([4, 0])
    taken = take_rows(x, rows)
    assert torch.equal(taken, x[rows])
    assert taken.stride()[1:] == x.stride()[1:]
