"""Products in a lower precision: the rounding itself, and increments that do not feel it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ffebm_dsl.physics.energy import Conv2d, Linear, full_products
from ffebm_dsl.physics.energy.ops import WeightedOp
from ffebm_dsl.physics.energy.precision import Format, Lowered, Precision, multiplies

BITS = {Precision.TF32: 11, Precision.BF16: 8}
LOW = tuple(BITS)


def imitated(precision: Precision) -> Format:
    return Format(precision, native=False)


def op(kind: str) -> WeightedOp:
    made = Conv2d((3, 6, 6), 4, 3, padding=1) if kind == "conv2d" else Linear((20,), 7)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=0.3, generator=generator)
    return made


def lowered(made: WeightedOp, form: Format) -> Lowered:
    return Lowered(made, made.product(form.rounded(made.weight.detach()), 2), form)


def states(made: WeightedOp, count: int = 2) -> Tensor:
    return torch.rand(count, *made.in_shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("precision", LOW)
@given(st.floats(-(2.0**100), 2.0**100, width=32))
def test_an_operand_is_rounded_to_the_nearest_number_of_the_format(
    precision: Precision, value: float
) -> None:
    found = float(imitated(precision).rounded(torch.tensor([value])))
    if abs(value) < 2.0**-100:  # near the subnormal numbers
        return
    significand, exponent = math.frexp(value)
    scale = 2.0 ** BITS[precision]
    # Python rounds to the nearest, ties to even, as the formats do.
    assert found == math.ldexp(round(significand * scale) / scale, exponent)
    assert abs(found - value) <= precision.roundoff * abs(value)


@pytest.mark.parametrize("precision", LOW)
def test_what_is_not_finite_stays_so(precision: Precision) -> None:
    found = imitated(precision).rounded(torch.tensor([math.inf, -math.inf, math.nan, 0.0]))
    assert found[:2].tolist() == [math.inf, -math.inf]
    assert found[2].isnan() and found[3] == 0


@pytest.mark.parametrize("precision", LOW)
@pytest.mark.parametrize("use", ["__call__", "tangent", "adjoint"])
@pytest.mark.parametrize("kind", ["conv2d", "linear"])
@torch.no_grad()
def test_an_error_is_relative_to_the_increment(kind: str, use: str, precision: Precision) -> None:
    made = op(kind)
    x = states(made) if use != "adjoint" else torch.rand_like(made(states(made)))
    low, full = lowered(made, imitated(precision)), getattr(made, use)
    assert torch.equal(getattr(low, use)(x), full(x)), "the first product is taken in full"
    for size in (1.0, 1e-3):
        step = size * torch.rand(x.shape, generator=torch.Generator().manual_seed(2))
        exact = getattr(op(kind).double(), use)((x + step).double())
        error = (getattr(low, use)(x + step).double() - exact).norm()
        response = (exact - getattr(op(kind).double(), use)(x.double())).norm()
        # Both operands are rounded, and in bfloat16 the result; what is added rounds in float32.
        assert error < 3 * precision.roundoff * response + 1e-6 * exact.norm()
        if size == 1.0:
            assert error > 0.01 * precision.roundoff * response, "rounded it is"


@pytest.mark.parametrize("kind", ["conv2d", "linear"])
@torch.no_grad()
def test_the_imitation_rounds_as_a_device_with_bfloat16_does(kind: str) -> None:
    # PyTorch multiplies bfloat16 on every CPU, if slowly.
    made, x = op(kind), states(op(kind))
    native, other = (
        lowered(made, Format(Precision.BF16, native=native)) for native in (True, False)
    )
    for low in (native, other):
        low(torch.zeros_like(x)), low.adjoint(torch.zeros_like(made(x)))
    y = torch.rand_like(made(x))
    for found, expected in ((native(x), other(x)), (native.adjoint(y), other.adjoint(y))):
        assert found.dtype == torch.float32
        # Where a CPU has no such products, PyTorch's are less exact than a device's.
        apart = (found - expected).norm()
        assert apart < 2 * Precision.BF16.roundoff * expected.norm()


@torch.no_grad()
def test_samples_go_on_alone_as_in_their_batch() -> None:
    made, rows = op("conv2d"), torch.tensor([2, 0])
    low, x = lowered(made, imitated(Precision.BF16)), states(op("conv2d"), 3)
    low(x)
    part = low.select(rows)
    assert torch.allclose(part(2 * x[rows]), low(2 * x)[rows], atol=1e-6)


def test_a_cpu_has_no_tf32() -> None:
    cpu = torch.device("cpu")
    assert not multiplies(cpu, Precision.TF32)
    assert not Format.on(cpu, Precision.TF32).native
    assert multiplies(cpu, Precision.FULL)


@pytest.mark.parametrize("setting", ["tf32", "ieee"])
def test_full_products_leave_pytorch_as_it_was(setting: str) -> None:
    switches = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    before = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = setting
        with pytest.raises(KeyError), full_products(torch.device("cuda")):
            assert [switch.fp32_precision for switch in switches] == ["ieee", "ieee"]
            raise KeyError
        assert [switch.fp32_precision for switch in switches] == [setting, setting]
        with full_products(torch.device("cpu")):
            assert [switch.fp32_precision for switch in switches] == [setting, setting]
    finally:
        for switch, old in zip(switches, before, strict=True):
            switch.fp32_precision = old
