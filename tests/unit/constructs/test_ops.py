"""The shape rules and counts of every op agree with PyTorch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from ffebm_dsl.language.registry import OPS, Fit, OpIR
from ffebm_dsl.physics.interfaces import LinearOp, NonlinearOp

from .arguments import arguments
from .everything import module_of

BATCH = 3

SHAPES = st.one_of(
    st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 6), st.integers(1, 9)),
    st.tuples(st.integers(1, 12)),
)


@st.composite
def ops(draw: st.DrawFn, name: str) -> OpIR | None:
    """The op with random arguments on a random shape; None where it does not take that."""
    construct = OPS[name]
    values, shape = arguments(draw, construct), draw(SHAPES)
    fit = construct.shape(values, shape, *[shape] * construct.joins)
    return OpIR(name, values, shape, fit.shape) if isinstance(fit, Fit) else None


@pytest.mark.parametrize("name", OPS.visible())
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_shapes_and_counts_are_those_of_torch(name: str, data: st.DataObject) -> None:
    op = data.draw(ops(name))
    if op is None:
        return
    construct = OPS[name]
    module = module_of(construct, op).eval()
    x = torch.randn(BATCH, *op.in_shape)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        y = module(x)
    assert tuple(y.shape) == (BATCH, *op.out_shape)
    assert sum(p.numel() for p in module.parameters()) == construct.count_parameters(op)
    # A multiply-accumulate is two operations.
    assert counter.get_total_flops() == 2 * BATCH * construct.count_macs(op)
    if construct.does_nothing(op):
        assert torch.equal(x, y)


@pytest.mark.parametrize("name", [n for n in OPS.visible() if OPS[n].in_coupling])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_in_a_coupling_an_op_is_its_module_and_its_adjoint_the_transpose(
    name: str, data: st.DataObject
) -> None:
    op = data.draw(ops(name))
    construct = OPS[name]
    if op is None or construct.coupling is None:
        return
    module, coupling = construct.module(op).double(), construct.coupling(op)
    x, other = (torch.randn(BATCH, *op.in_shape, dtype=torch.float64) for _ in range(2))
    y = torch.randn(BATCH, *op.out_shape, dtype=torch.float64)
    with torch.no_grad():
        if isinstance(coupling, LinearOp):
            weights = dict(module.named_parameters())
            shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
            assert coupling.weight_shapes() == shapes
            forward, context = coupling.forward(x, weights), weights
        elif isinstance(coupling, NonlinearOp):
            forward, context = coupling.forward(x), x
        else:
            forward, context = coupling.forward(x)
        assert torch.allclose(forward, module(x), atol=1e-12)
        # At the routing of x, or at x, the derivative is linear.
        there = (coupling.tangent(other, context) * y).sum()
        back = (other * coupling.adjoint(y, context)).sum()
    assert torch.allclose(there, back, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", OPS.visible())
def test_every_op_takes_some_of_the_shapes(name: str) -> None:
    """Else the property above would hold of nothing."""

    # Any example will do: none is made smaller.
    @settings(max_examples=300, deadline=None, database=None, phases=[Phase.generate])
    @given(data=st.data())
    def search(data: st.DataObject) -> None:
        assert data.draw(ops(name)) is None

    with pytest.raises(AssertionError):
        search()


@pytest.mark.parametrize("name", [n for n in OPS.visible() if OPS[n].counted])
def test_the_counted_argument_gives_the_first_size_of_the_weight(name: str) -> None:
    construct = OPS[name]
    for shape in ((6, 8, 8), (12,), (6, 8)):
        values = {p.name: p.default if not p.required else 2 for p in construct.parameters}
        values |= {construct.counted: 5}
        fit = construct.shape(values, shape)
        if isinstance(fit, Fit):
            module = construct.module(OpIR(name, values, shape, fit.shape))
            assert module.weight.shape[0] == fit.shape[0] == 5
            return
    raise AssertionError(f"{name} takes neither an image nor a vector")


@pytest.mark.parametrize("name", [n for n in OPS.visible() if OPS[n].random])
def test_a_random_op_draws_in_training_and_not_in_evaluation(name: str) -> None:
    construct = OPS[name]
    values = {p.name: p.default for p in construct.parameters}
    module = construct.module(OpIR(name, values, (64,), (64,)))
    x = torch.ones(8, 64)
    assert not torch.equal(module.train()(x), module(x))
    assert torch.equal(module.eval()(x), module(x))


@pytest.mark.parametrize("name", OPS.visible())
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_per_sample_ops_do_not_look_at_the_batch(name: str, data: st.DataObject) -> None:
    op = data.draw(ops(name))
    construct = OPS[name]
    if op is None or construct.random:
        return
    module = module_of(construct, op).double().train()
    x = torch.randn(4, *op.in_shape, dtype=torch.float64)
    if construct.per_sample:
        together, alone = module(x), torch.cat([module(row[None]) for row in x])
        assert torch.allclose(together, alone, atol=1e-12)


@pytest.mark.parametrize("name", ["avg_pool2d", "max_pool2d", "avg_pool1d", "max_pool1d"])
def test_an_op_made_in_python_may_have_its_arguments_in_any_order(name: str) -> None:
    shape = (2, 9, 9) if name.endswith("2d") else (2, 9)
    values = {"padding": 1, "stride": 2, "kernel": 3}
    fit = OPS[name].shape(values, shape)
    assert isinstance(fit, Fit)
    module = OPS[name].module(OpIR(name, values, shape, fit.shape))
    assert (module.kernel_size, module.stride, module.padding) in [(3, 2, 1), ((3,), (2,), (1,))]
