"""The splitting benchmark: valid settings, and a table that reports agreement of runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.splitting import COMPARISONS, TRAININGS, SplitResult, result, table, wide
from ffebm_dsl.language.ir import compile_spec, read_source
from ffebm_dsl.tools.comparison import compare


def test_a_comparison_is_of_one_network_trained_alike() -> None:
    for comparison in COMPARISONS:
        trainings = [t for t in TRAININGS if t.comparison == comparison]
        specs = [compile_spec(read_source(t.spec), t.overrides).spec for t in trainings]
        assert len(specs) > 1
        assert all(compare(specs[0], spec).verdict.same for spec in specs[1:])
        assert all(spec.train == specs[0].train for spec in specs)
        gradients = {next(spec.model.blocks).gradient.name for spec in specs}
        assert gradients == ({"ep", "implicit"} if comparison == "estimators" else {"ep"})


def test_mnist_in_the_shape_of_cifar() -> None:
    images = np.arange(2 * 28 * 28).reshape(2, 28, 28).astype(np.uint8)
    found = wide(images)
    assert (found.shape, found.dtype) == ((2, 3, 32, 32), np.dtype(np.uint8))
    assert all(np.array_equal(found[:, c, 2:30, 2:30], images) for c in range(3))
    assert not found[:, :, :2].any() and not found[..., 30:].any()


def runs(*top1: float, comparison: str = "splits", status: str = "finished") -> list[SplitResult]:
    return [SplitResult(f"r{i}", comparison, status, 10, 1.0, [0.3, a]) for i, a in enumerate(top1)]


def test_the_table_says_how_far_apart_finished_runs_end() -> None:
    assert "splits: 3.50 points apart" in table(runs(0.61, 0.62, 0.585))
    both = runs(0.61, 0.6, comparison="estimators")
    assert "estimators: 1.00 points apart" in table(both)
    assert "splits:" not in table(both)


def test_what_is_not_finished_is_not_compared() -> None:
    assert "apart" not in table(runs(0.61, 0.62))
    assert "apart" not in table([*runs(0.6, 0.6), *runs(0.5, status="running")])


def test_what_has_not_begun_has_no_result(tmp_path: Path) -> None:
    assert result(TRAININGS[0], tmp_path) is None
