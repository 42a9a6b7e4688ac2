"""Composed ops agree with the ops applied in turn."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ffebm_dsl.constructs.ops.avg_pool2d import AvgPool2d
from ffebm_dsl.constructs.ops.conv2d import Conv2d
from ffebm_dsl.constructs.ops.flatten import Flatten
from ffebm_dsl.constructs.ops.linear import Linear
from ffebm_dsl.constructs.ops.max_pool2d import MaxPool2d
from ffebm_dsl.physics.energy.op_chain import OpChain
from ffebm_dsl.physics.interfaces import Composed, CouplingOp, LinearOp, compositions
from ffebm_dsl.physics.layout import channels_last
from ffebm_dsl.physics.modules import ImageConvolution


def test_one_channel_with_steps_that_differ() -> None:
    agree([Conv2d((1, 4, 4), 2, (3, 3), stride=(1, 2))], torch.float32, 1e-4)
    first, second = Conv2d((1, 6, 4), 1, 2, padding=1), Conv2d((1, 7, 5), 2, (1, 3), stride=(1, 3))
    agree([first, second], torch.float32, 1e-4)


@pytest.mark.parametrize("changed", ["x", "weight"])
def test_a_map_convolves_one_channel_in_either_layout(changed: str) -> None:
    torch.manual_seed(0)
    convolution, x = ImageConvolution(1, 2, (1, 3), stride=(1, 3)), torch.randn(3, 1, 7, 5)
    with torch.no_grad():
        expected = F.conv2d(x.double(), convolution.weight.double(), stride=(1, 3))
        expected += convolution.bias.double()[:, None, None]
        # The same numbers, where the stride of the one channel is 1.
        if changed == "x":
            x = torch.empty_strided(x.shape, (35, 1, 5, 1)).copy_(x)
        else:
            weight = convolution.weight
            weight.data = torch.empty_strided(weight.shape, (3, 1, 3, 1)).copy_(weight)
        assert torch.allclose(convolution(x).double(), expected, atol=1e-5)


def both(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    """A number for rows and one for columns, which are often one."""
    one = st.integers(low, high)
    return one.map(lambda size: (size, size)) | st.tuples(one, one)


@st.composite
def convolutions(draw: st.DrawFn, in_shape: tuple[int, ...], padded: bool) -> Conv2d:
    size = min(in_shape[1:])
    kernel = draw(both(1, min(4, size)))
    reach = (size - 1) // (max(kernel) - 1) if max(kernel) > 1 else 2
    return Conv2d(
        in_shape,
        draw(st.integers(1, 6)),
        kernel,
        stride=draw(both(1, 3)),
        padding=draw(both(0, 2)) if padded else 0,
        dilation=draw(both(1, min(2, reach))),
        bias=draw(st.booleans()),
    )


@st.composite
def poolings(draw: st.DrawFn, in_shape: tuple[int, ...]) -> AvgPool2d:
    kernel = draw(both(1, min(3, *in_shape[1:])))
    return AvgPool2d(in_shape, kernel, stride=draw(st.just(kernel) | both(1, 3)))


@st.composite
def chains(draw: st.DrawFn) -> list[LinearOp]:
    """A convolution and up to two ops behind it, on images of unequal sides."""
    shape = (draw(st.integers(1, 4)), draw(st.integers(4, 11)), draw(st.integers(4, 11)))
    ops: list[LinearOp] = [draw(convolutions(shape, padded=True))]
    for _ in range(draw(st.integers(0, 2))):
        shape = ops[-1].out_shape
        assume(min(shape[1:]) >= 1)
        op = draw(poolings(shape) if draw(st.booleans()) else convolutions(shape, padded=False))
        ops.append(op)
    assume(min(ops[-1].out_shape) >= 1)
    if draw(st.booleans()):
        ops.append(Flatten(ops[-1].out_shape))
        ops.append(Linear(ops[-1].out_shape, 3, bias=draw(st.booleans())))
    return ops


def agree(ops: list[CouplingOp], dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    chain = OpChain({f"op{k}": op for k, op in enumerate(ops)}).to(dtype)
    weights = {name: w.detach() for name, w in chain.weights().items()}
    a, base = (channels_last(torch.randn(3, *ops[0].in_shape, dtype=dtype)) for _ in range(2))
    b = channels_last(torch.randn(3, *ops[-1].out_shape, dtype=dtype))
    plain, packed = chain.bound(weights), chain.bound(weights, 3)
    with torch.no_grad():
        pairs = [
            (packed.forward(a)[0], plain.forward(a)[0]),
            (packed.tangent(a, ()), plain.tangent(a, ())),
            (packed.adjoint(b, ()), plain.adjoint(b, ())),
            (packed.adjoint(b, (), base), plain.adjoint(b, (), base)),
        ]
    for found, expected in pairs:
        assert torch.allclose(found, expected, rtol=tolerance, atol=tolerance)


@settings(deadline=None, max_examples=150)
@given(chains())
def test_a_chain_computed_as_one_is_the_chain(ops: list[LinearOp]) -> None:
    agree([*ops], torch.float64, 1e-12)
    agree([*ops], torch.float32, 1e-4)


@settings(deadline=None, max_examples=60)
@given(chains())
def test_it_takes_fewer_products(ops: list[LinearOp]) -> None:
    def products(chain: list[LinearOp]) -> int:
        total = 0
        for op in chain:
            window = op.stencil()
            if window is not None:
                places = torch.Size(op.out_shape).numel()
                total += places * op.in_shape[0] // window.groups * window.taps
        return total

    for group in compositions(ops):
        members = [ops[k] for k in group]
        if len(group) > 1 and members[0].stencil() is not None:
            assert Composed(members).macs < products(members)


def test_what_is_composed() -> None:
    image = (4, 8, 8)
    conv, pool = Conv2d(image, 6, 3, padding=1), AvgPool2d((6, 8, 8), 2, stride=2)
    assert compositions([conv, pool]) == [(0, 1)]
    # Behind padding, a second op would see zeros where the first has values.
    assert compositions([conv, AvgPool2d((6, 8, 8), 2, stride=2, padding=1)]) == [(0,), (1,)]
    # Through few channels in between, two kernels take less work than their product.
    narrow = [Conv2d(image, 2, 3, padding=1), Conv2d((2, 8, 8), 6, 3)]
    assert compositions(narrow) == [(0,), (1,)]
    assert compositions([conv, MaxPool2d((6, 8, 8), 2, stride=2)]) == [(0,), (1,)]
    assert compositions([pool, Flatten((6, 4, 4)), Linear((96,), 5)]) == [(0,), (1, 2)]
    wide = [Conv2d(image, 6, (1, 3), padding=(0, 1)), AvgPool2d((6, 8, 8), (1, 2), stride=(1, 2))]
    assert compositions(wide) == [(0, 1)]
    assert Composed(wide).form == "one convolution, kernel=[1, 4], stride=[1, 2], padding=[0, 1]"


def test_images_stay_laid_out_to_be_convolved() -> None:
    """Else every sweep would convert them."""
    ops = {"conv": Conv2d((4, 8, 8), 6, 3, padding=1), "pool": AvgPool2d((6, 8, 8), 2, stride=2)}
    chain = OpChain(ops)
    packed = chain.bound({name: w.detach() for name, w in chain.weights().items()}, 3)
    a, b = channels_last(torch.randn(3, 4, 8, 8)), channels_last(torch.randn(3, 6, 4, 4))
    with torch.no_grad():
        for image in (packed.forward(a)[0], packed.adjoint(b, ()), packed.adjoint(b, (), a)):
            assert image.stride() == channels_last(image).stride()
