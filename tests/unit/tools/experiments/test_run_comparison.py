"""Runs are compared by their records, and refused if they differ in more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.tools.dump import to_json_dict
from ffebm_dsl.tools.experiments.results import Result
from ffebm_dsl.tools.experiments.run_comparison import compare, differing_keys

SURROUNDINGS = {"dtype": "float32", "data": "abc", "ffebm": "0.2.0"}
TEXT = """ffe 1.1
param width: int = 4
model m {
  input x: vector(3)  target y: label(2)
  block b1 {
    energy hopfield {
      layer s1: [width] hard_sigmoid
      x -> s1 : linear()
    }
    out = s1
  }
  block b2 {
    energy hopfield {
      layer s1: [2] identity
      b1 -> s1 : linear()
    }
    out = s1
  }
  loss = cross_entropy(b2, y)
}
train { data = npz("d.npz", batch=2)  optimizer = adam(lr=1e-3)  epochs = 1 }
"""


def run(
    seed: int,
    top1: float,
    overrides: Mapping[str, str] | None = None,
    status: str = "finished",
    text: str = TEXT,
    **around: Any,
) -> Result:
    """A run of a spec with overrides; ``around`` are surroundings."""
    overrides = overrides or {}
    spec = to_json_dict(compile_spec(SourceFile("m.ffe", text), overrides).spec)
    spec["train"].pop("seed")
    metrics = {"test": {"top1": top1, "top5": float("nan"), "loss": 1 - top1}}
    name = f"run-{seed}-{top1}"
    return Result(name, seed, status, metrics, spec, {**SURROUNDINGS, **around}, overrides, text)


def slow(seed: int, top1: float, **more: Any) -> Result:
    return run(seed, top1, {"optimizer.lr": "1e-3"}, **more)


def fast(seed: int, top1: float, **more: Any) -> Result:
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
    other = run(0, 0.8, {"width": "8", "optimizer.lr": "3e-3"})
    with pytest.raises(InputError, match="differ in `width`") as caught:
        compare([slow(0, 0.9), other], ["optimizer.lr"])
    assert "--by optimizer.lr,width" in caught.value.help
    with pytest.raises(InputError, match=r"differ in `optimizer\.lr`, `width`"):
        compare([slow(0, 0.9), other], [])


def test_a_key_that_no_run_has_is_refused() -> None:
    runs = [run(0, 0.9), run(0, 0.8, {"b2.gradient.beta": "0.1"})]
    for by in ("beta", "b2.gradient.beta", "b1.relax.free.sweeps", "width", "model", "data"):
        compare(runs, [by, "b2.gradient.beta"])
    with pytest.raises(InputError, match="--by optimiser: no run has this key") as caught:
        compare(runs, ["b2.gradient.beta", "optimiser"])
    assert caught.value.help == "did you mean `optimizer`?"


def test_what_follows_from_a_param_is_covered_by_it() -> None:
    wide = run(0, 0.8, {"width": "8"})
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
    runs = [run(0, 0.9), run(0, 0.8, text=TEXT.replace("1e-3", "0.01"))]
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


def labels(runs: list[Result], *by: str) -> list[str]:
    return [c.label for c in compare(runs, by).configurations]


def learning(*betas: str) -> str:
    """The text with these betas of the blocks."""
    text = TEXT
    for block, beta in zip(("b1", "b2"), betas, strict=True):
        text = text.replace(f"block {block} {{", f"block {block} {{ gradient ep(beta={beta})")
    return text


def test_a_call_is_written_as_in_a_spec() -> None:
    runs = [run(0, 0.9), run(0, 0.8, {"gradient": "bptt()"}), run(0, 0.7, {"gradient.beta": "0.1"})]
    assert labels(runs, "gradient") == ["ep(beta=0.2)", "bptt()", "ep(beta=0.1)"]
    # Both keys differ in runs of one text, and one is a part of the other.
    assert labels(runs, *differing_keys(runs)) == labels(runs, "gradient")
    runs[1] = run(0, 0.8, {"gradient": "bptt()", "relax.free.sweeps": "5"})
    assert labels(runs[:2], "gradient", "relax.free.sweeps") == [
        "gradient=ep, relax.free.sweeps=100",
        "gradient=bptt(), relax.free.sweeps=5",
    ]


def test_every_block_is_in_the_label() -> None:
    betas = [("0.1", "0.1"), ("0.1", "0.2"), ("0.2", "0.2")]
    runs = [run(0, 0.9, text=learning(*both)) for both in betas]
    assert differing_keys(runs) == ["gradient.beta"]
    assert labels(runs) == [
        "gradient.beta=0.1",
        "gradient.beta=0.1, b2.gradient.beta=0.2",
        "gradient.beta=0.2",
    ]
    assert labels(runs, "gradient") == [
        "ep(beta=0.1)",
        "ep(beta=0.1), b2.gradient=ep(beta=0.2)",
        "ep(beta=0.2)",
    ]


def test_an_override_of_a_block_is_in_the_label_of_the_whole() -> None:
    more = {"gradient.beta": "0.3", "b2.gradient.beta": "0.1"}
    runs = [run(0, 0.9, {"gradient.beta": "0.3"}), run(0, 0.9, more)]
    assert labels(runs, "gradient.beta") == [
        "gradient.beta=0.3",
        "gradient.beta=0.3, b2.gradient.beta=0.1",
    ]
    assert labels(runs, "b2.gradient.beta") == ["b2.gradient.beta=0.3", "b2.gradient.beta=0.1"]


def test_the_end_of_a_key_has_the_value_that_was_given() -> None:
    runs = [run(0, 0.9, {"optimizer.lr": text}) for text in ("1e-3", "30e-4")]
    assert labels(runs, "lr") == ["lr=1e-3", "lr=30e-4"]
    # An override of one block is not the value of the others.
    runs = [run(0, 0.9, {"b2.gradient.beta": text}) for text in ("0.10", "0.30")]
    assert labels(runs, "beta") == [
        "beta=0.2, b2.gradient.beta=0.1",
        "beta=0.2, b2.gradient.beta=0.3",
    ]


def test_networks_are_named_by_their_models() -> None:
    one_block = TEXT[: TEXT.index("  block b2")] + TEXT[TEXT.index("  loss") :]
    one_block = one_block.replace("(b2,", "(b1,").replace("[width]", "[2]")
    other = run(0, 0.8, text=one_block.replace("model m", "model n"))
    assert differing_keys([run(0, 0.9), other]) == ["model"]
    assert labels([run(0, 0.9), other]) == ["model=m", "model=n"]
    # Without names of their own, the runs' names tell them apart.
    other = run(0, 0.8, text=one_block)
    assert labels([run(0, 0.9), other]) == ["model=m (run-0-0.9)", "model=m (run-0-0.8)"]
