"""Every registered op agrees with its description, for random arguments and shapes."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ffebm_dsl.language.registry import OPS, OpConstruct, OpIR
from ffebm_dsl.physics.energy import OpWeights
from ffebm_dsl.physics.interfaces import LinearOp, RoutedOp
from ffebm_dsl.tools.checking.op_promises import op_promises
from tests.problems import generator, normal
from tests.unit.constructs.drawing import ops
from tests.unit.constructs.everything import every, module_of

BATCH = 2
EVERY = every(OPS)
COUPLING = every(OPS, coupling=True)
PROPERTY = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def entering(op: OpIR) -> Tensor:
    return normal(BATCH, *op.in_shape)


@EVERY
@PROPERTY
@given(data=st.data())
def test_its_shape_rule_is_what_torch_does(construct: OpConstruct, data: st.DataObject) -> None:
    op = data.draw(ops(construct))
    out = module_of(construct, op).double()(entering(op))
    assert tuple(out.shape) == (BATCH, *op.out_shape)
    assert bool(out.isfinite().all())


@EVERY
@PROPERTY
@given(data=st.data())
def test_it_counts_what_torch_has_and_does(construct: OpConstruct, data: st.DataObject) -> None:
    op = data.draw(ops(construct))
    module = module_of(construct, op).double()
    assert construct.count_parameters(op) == sum(p.numel() for p in module.parameters())
    with FlopCounterMode(display=False) as counter:
        module(entering(op))
    # Two operations are one multiply-accumulate.
    assert counter.get_total_flops() == 2 * BATCH * construct.count_macs(op)


@EVERY
@PROPERTY
@given(data=st.data())
def test_it_is_random_mixes_samples_or_does_nothing_only_where_it_says_so(
    construct: OpConstruct, data: st.DataObject
) -> None:
    op = data.draw(ops(construct))
    module, x = module_of(construct, op).double(), entering(op)
    if not construct.random:
        assert torch.equal(module(x), module(x))
        if construct.per_sample:
            other = torch.cat([x[:1], x[1:] + 1])
            assert torch.allclose(module(other)[:1], module(x)[:1], rtol=1e-12, atol=1e-12)
    if construct.does_nothing(op):
        assert torch.equal(module(x), x)


@COUPLING
@PROPERTY
@given(data=st.data())
def test_its_coupling_keeps_its_promises_and_is_the_module(
    construct: OpConstruct, data: st.DataObject
) -> None:
    op = data.draw(ops(construct))
    assert construct.coupling is not None
    held = OpWeights(construct.coupling(op)).double()
    assert tuple(held.op.in_shape) == op.in_shape and tuple(held.op.out_shape) == op.out_shape
    assert construct.count_parameters(op) == sum(p.numel() for p in held.parameters())
    weights = {name: normal(*w.shape, seed=k) for k, (name, w) in enumerate(held().items())}
    broken = [p for p in op_promises(held.op, weights, generator()) if not p.kept]
    assert not broken, broken
    module, x = module_of(construct, op).double(), entering(op)
    module.load_state_dict(weights)
    with FlopCounterMode(display=False) as counter:
        if isinstance(held.op, LinearOp):
            y = held.op.forward(x, weights)
        else:
            y = held.op.forward(x)[0] if isinstance(held.op, RoutedOp) else held.op.forward(x)
    assert torch.allclose(y, module(x), rtol=1e-12, atol=1e-12)
    assert counter.get_total_flops() == 2 * BATCH * construct.count_macs(op)


def test_constructs_of_installed_packages_are_among_them() -> None:
    names = {construct.name for construct in EVERY.args[1]}
    assert {"conv2d", "doubled"} <= names
