"""Shape rules: one per op, including details of PyTorch's arithmetic."""

from __future__ import annotations

import pytest

from ffebm_dsl.language.ir.check.op_shapes import apply_op
from ffebm_dsl.language.ir.model import Shape, Value
from ffebm_dsl.language.ir.resolve.bind import fill_defaults
from ffebm_dsl.language.registry import OPS, Fit, Misfit

WIDE = {"out_channels": 6, "kernel": 3}


def shape_after(name: str, shape: Shape, **stated: Value) -> Shape | None:
    result = apply_op(name, fill_defaults(OPS[name], stated), shape)
    return result.shape if isinstance(result, Fit) else None


@pytest.mark.parametrize(
    ("name", "stated", "before", "after"),
    [
        ("conv2d", WIDE | {"stride": 2, "padding": 1}, (2, 9, 8), (6, 5, 4)),
        ("conv2d", WIDE, (2, 9, 8), (6, 7, 6)),
        (
            "conv2d",
            {"out_channels": 6, "kernel": 3, "stride": 2, "padding": 1},
            (2, 9, 8),
            (6, 5, 4),
        ),
        ("conv2d", WIDE | {"dilation": 2}, (2, 9, 8), (6, 5, 4)),
        ("conv2d", WIDE | {"groups": 2}, (2, 9, 8), (6, 7, 6)),
        ("conv2d", WIDE | {"groups": 4}, (2, 9, 8), None),
        ("conv2d", WIDE | {"kernel": 10}, (2, 9, 8), None),
        ("conv2d", WIDE, (9,), None),
        ("max_pool2d", {"kernel": 2}, (3, 7, 8), (3, 3, 4)),
        ("max_pool2d", {"kernel": 3, "stride": 1, "padding": 1}, (3, 7, 8), (3, 7, 8)),
        ("avg_pool2d", {"kernel": 3, "padding": 2}, (3, 7, 8), None),
        ("adaptive_avg_pool2d", {"size": 2}, (3, 7, 8), (3, 2, 2)),
        ("flatten", {}, (3, 7, 8), (168,)),
        ("flatten", {}, (5,), (5,)),
        ("linear", {"out_features": 4}, (5,), (4,)),
        ("linear", {"out_features": 4}, (5, 1, 1), None),
        ("batch_norm1d", {}, (5,), (5,)),
        ("batch_norm1d", {}, (5, 2, 2), None),
        ("batch_norm2d", {}, (5,), None),
        ("group_norm", {"groups": 2}, (6, 2, 2), (6, 2, 2)),
        ("group_norm", {"groups": 4}, (6, 2, 2), None),
        ("layer_norm", {}, (6, 2, 2), (6, 2, 2)),
    ],
)
def test_shape(name: str, stated: dict[str, Value], before: Shape, after: Shape | None) -> None:
    assert shape_after(name, before, **stated) == after


def test_too_many_entries_are_refused() -> None:
    result = apply_op("linear", {"out_features": 2**31 - 1}, (1,))
    assert isinstance(result, Fit)
    arguments = fill_defaults(OPS["conv2d"], {"out_channels": 2**31 - 1, "kernel": 1})
    assert isinstance(apply_op("conv2d", arguments, (1, 2, 2)), Misfit)
