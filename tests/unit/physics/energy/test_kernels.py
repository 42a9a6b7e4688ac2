"""Prepared convolutions equal the plain ones, packed or not, in every geometry."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ffebm_dsl.physics.energy import Conv2d, kernels
from ffebm_dsl.physics.energy.kernels import PackedConvolution, channels_last, packs, take_rows


def single(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def check(op: Conv2d) -> None:
    for index, parameter in enumerate(op.parameters()):
        parameter.data = single(*parameter.shape, seed=index)
    x = single(3, *op.in_shape, seed=5)
    with torch.no_grad():
        y = single(*op(x).shape, seed=6)
        prepared = op.prepared(3)
        for batch in (3, 1):  # packed for one size, and used with another
            assert_same(prepared(x[:batch]), op(x[:batch]))
            assert_same(prepared.tangent(x[:batch]), op.tangent(x[:batch]))
            assert_same(prepared.adjoint(y[:batch]), op.adjoint(y[:batch]))
            base = channels_last(x[:batch])
            before = base.clone()
            assert_same(prepared.adjoint_onto(y[:batch], base), x[:batch] + op.adjoint(y[:batch]))
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
    for parameter in op.parameters():
        parameter.data = single(*parameter.shape)
    stale = op.prepared(2)
    op.weight.data[0, 0, 0, 0] += 0.01
    with pytest.raises(AssertionError):
        assert_same(stale(single(2, 4, 5, 5)), op(single(2, 4, 5, 5)).detach())


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
        assert not packs(op.weight)
        check(op)
    finally:
        kernels._packing_works.cache_clear()


def test_double_precision_is_not_packed_and_keeps_its_layout() -> None:
    op = Conv2d((4, 5, 5), 6, 3, padding=1).double()
    assert not isinstance(op.prepared(2), PackedConvolution)
    x = torch.zeros(2, 4, 5, 5, dtype=torch.float64)
    assert channels_last(x) is x


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="PyTorch without oneDNN")
def test_single_precision_on_a_cpu_is_packed() -> None:
    assert isinstance(Conv2d((4, 5, 5), 6, 3).prepared(2), PackedConvolution)


@pytest.mark.parametrize("layout", [channels_last, torch.Tensor.contiguous])
def test_rows_are_taken_in_the_layout_at_hand(
    layout: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    x = layout(single(5, 3, 4, 4))
    rows = torch.tensor([4, 0])
    taken = take_rows(x, rows)
    assert torch.equal(taken, x[rows])
    assert taken.stride()[1:] == x.stride()[1:]
