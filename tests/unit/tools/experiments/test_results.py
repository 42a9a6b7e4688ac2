"""Runs are compared by their records, and refused if they differ in more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.tools.experiments.results import (
    Result,
    compare,
    differing_keys,
    expand,
    trials_without_run,
)

BASE = {
    "model.stages.0.layers.0.shape.0": 4,
    "parameters.width": 4,
    "train.optimizer.arguments.lr": 0.001,
    "dtype": "float32",
    "data": "abc",
    "ffebm": "0.2.0",
}


def run(
    seed: int,
    top1: float,
    overrides: Mapping[str, str] | None = None,
    status: str = "finished",
    text: str = "t",
    **settings: Any,
) -> Result:
    named = {key.replace("__", "."): value for key, value in settings.items()}
    metrics = {"test": {"top1": top1, "top5": float("nan"), "loss": 1 - top1}}
    name = f"run-{seed}-{top1}"
    return Result(name, seed, status, metrics, {**BASE, **named}, overrides or {}, text)


def slow(seed: int, top1: float, **more: Any) -> Result:
    return run(seed, top1, {"optimizer.lr": "1e-3"}, **more)


def fast(seed: int, top1: float, **more: Any) -> Result:
    more = {"train__optimizer__arguments__lr": 0.003, **more}
    return run(seed, top1, {"optimizer.lr": "3e-3"}, **more)


def test_configurations_have_means_and_differences_by_seed() -> None:
    runs = [slow(0, 0.90), slow(1, 0.92), fast(0, 0.93), fast(1, 0.94), fast(2, 0.99)]
    found = compare(runs, [])
    assert found.metric == "top1" and list(found.varied) == ["optimizer.lr"]
    first, second = found.configurations
    assert first.label == "optimizer.lr=1e-3" and second.label == "optimizer.lr=3e-3"
    assert first.mean is not None and first.mean.mean == pytest.approx(0.91)
    assert second.mean is not None and second.mean.count == 3
    assert first.difference is None
    # Of seeds 0 and 1 alone.
    assert second.difference is not None and second.difference.count == 2
    assert second.difference.mean == pytest.approx(0.025)
    assert found.seeds_differ and not compare(runs[:4], []).seeds_differ


@pytest.mark.parametrize("by", [["lr"], ["optimizer.lr"], []])
def test_a_key_may_be_named_in_short(by: list[str]) -> None:
    assert len(compare([slow(0, 0.9), fast(0, 0.8)], by).configurations) == 2


def test_runs_that_differ_in_more_than_is_said_are_refused() -> None:
    other = run(0, 0.8, {"width": "8", "optimizer.lr": "3e-3"}, parameters__width=8)
    with pytest.raises(InputError, match="differ in `width`") as caught:
        compare([slow(0, 0.9), other], ["optimizer.lr"])
    assert "--by optimizer.lr,width" in caught.value.help
    with pytest.raises(InputError, match=r"differ in `optimizer\.lr`, `width`"):
        compare([slow(0, 0.9), other], [])


def test_what_follows_from_a_param_is_covered_by_it() -> None:
    wide = run(
        0, 0.8, {"width": "8"}, parameters__width=8, **{"model__stages__0__layers__0__shape__0": 8}
    )
    found = compare([run(0, 0.9), wide], ["width"])
    assert [c.label for c in found.configurations] == ["width=4", "width=8"]


@pytest.mark.parametrize(
    ("key", "value"), [("dtype", "float64"), ("data", "xyz"), ("ffebm", "0.3.0")]
)
def test_precision_data_and_program_must_be_the_same_or_named(key: str, value: str) -> None:
    runs = [slow(0, 0.9), fast(0, 0.8, **{key: value})]
    with pytest.raises(InputError, match=f"differ in `{key}`"):
        compare(runs, ["lr"])
    assert len(compare(runs, ["lr", key]).configurations) == 2


def test_runs_of_two_texts_are_compared_by_what_they_mean() -> None:
    runs = [run(0, 0.9), run(0, 0.8, text="u", train__optimizer__arguments__lr=0.01)]
    assert differing_keys(runs) == ["optimizer.lr"]
    assert [c.label for c in compare(runs, []).configurations] == [
        "optimizer.lr=0.001",
        "optimizer.lr=0.01",
    ]


def test_runs_that_go_on_are_refused_and_diverged_ones_counted() -> None:
    with pytest.raises(InputError, match="1 of 2 runs have not ended"):
        compare([slow(0, 0.9), slow(1, 0.9, status="stopped")], [])
    (found,) = compare([slow(0, 0.9), slow(1, float("nan"), status="diverged")], []).configurations
    assert found.failed == 1 and list(found.values) == [0]


def test_a_run_that_is_there_twice_is_refused() -> None:
    with pytest.raises(InputError, match="two runs have seed 0"):
        compare([slow(0, 0.9), slow(0, 0.9)], [])


def test_the_set_is_chosen_and_named() -> None:
    both = [
        replace(
            r, metrics={"validation": r.metrics["test"], "test": {**r.metrics["test"], "top1": t}}
        )
        for r, t in ((slow(0, 0.9), 0.8), (fast(0, 0.95), 0.7))
    ]
    assert compare(both, []).on == "validation"
    found = compare(both, [], on="test")
    assert found.on == "test" and found.configurations[1].values == {0: 0.7}
    assert compare([slow(0, 0.9), fast(0, 0.9)], []).on == "test"
    for runs, on, message in (
        (
            [slow(0, 0.9), fast(0, 0.9)],
            "validation",
            "its validation set; help: all of them have: test",
        ),
        (both, "training", "--on training: not a set"),
    ):
        with pytest.raises(InputError) as caught:
            compare(runs, [], on=on)
        assert message in f"{caught.value.message}; help: {caught.value.help}"


def test_metrics() -> None:
    runs = [slow(0, 0.9), fast(0, 0.8)]
    assert compare(runs, [], "loss").configurations[1].mean.mean == pytest.approx(0.2)  # type: ignore[union-attr]
    with pytest.raises(InputError, match="no metric is called `f1`"):
        compare(runs, [], "f1")
    with pytest.raises(InputError, match="not every run has top5"):
        compare(runs, [], "top5")


def test_a_sweep_without_a_run_is_refused_beside_others(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    (sweep / "sweep.json").write_text('{"trials": [{"name": "a"}, {"name": "b"}]}')
    with pytest.raises(InputError, match="no trial"):
        expand([tmp_path / "run", sweep])
    (sweep / "b").mkdir()
    assert expand([tmp_path / "run", sweep]) == [tmp_path / "run", sweep / "b"]
    note = f"{sweep}: 1 of 2 trials without a run are left out"
    assert trials_without_run([tmp_path / "run", sweep]) == [note]
    (sweep / "a").mkdir()
    assert trials_without_run([sweep]) == []
