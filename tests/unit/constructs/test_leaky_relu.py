"""``leaky_relu`` is a digital map of a spec like any other."""

from __future__ import annotations

import torch

from ffebm_dsl.language.registry import OPS, OpIR


def test_below_zero_it_has_its_slope() -> None:
    module = OPS["leaky_relu"].module(OpIR("leaky_relu", {"negative_slope": 0.5}, (3,), (3,)))
    assert module(torch.tensor([[-2.0, 0.0, 4.0]])).tolist() == [[-1.0, 0.0, 4.0]]
    assert not OPS["leaky_relu"].in_coupling
