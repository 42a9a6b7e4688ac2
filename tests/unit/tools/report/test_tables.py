"""The tables of a report page."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ffebm_dsl.tools.report import bad_steps as bad
from ffebm_dsl.tools.report.bad_steps import bad_steps
from ffebm_dsl.tools.report.comparison import comparison
from ffebm_dsl.tools.report.curves import binned, learning_curves
from ffebm_dsl.tools.report.figure import Artist
from ffebm_dsl.tools.report.runs import Run, Spec
from ffebm_dsl.tools.report.seeds import seeds
from ffebm_dsl.tools.report.text import ABSENT, counted, duration, number, printable, short
from tests.records import add_bad_step, bare_record, resolved, trained


def rows(*runs: Run) -> list[dict[str, str]]:
    (group,) = comparison(runs).groups
    (table,) = group.tables
    return [dict(zip(table.head, row, strict=True)) for row in table.rows]


def test_seeds_of_one_configuration_share_a_row() -> None:
    (found,) = rows(trained("a", 0, top1=0.90), trained("b", 1, top1=0.94))
    assert found["top-1 %"] == "92.00 ± 2.83"
    assert found["runs"] == "2"
    assert found["layers"] == "4 in 2 blocks of 2"
    assert found["gradient"] == "EP centered β 0.2"
    assert found["data"] == "digits" and found["network"] == "m"
    assert found["epochs"] == "2 / 2"
    assert found["wall-clock"] == "10 s" and found["s / epoch"] == "5"
    # Columns without a value are left out.
    assert not {"top-5 %", "settings", "test top-1 %"} & found.keys()


def test_the_same_seed_twice_is_said() -> None:
    (found,) = rows(trained("a", 0), trained("b", 0))
    assert found["runs"] == "2 (1 seed)"


def test_configurations_have_rows_of_their_own_in_the_order_of_splitting() -> None:
    found = rows(trained("c", layers=(2, 2, 2)), trained("a", layers=(6,)), trained("b", beta=0.1))
    assert [row["layers"] for row in found] == [
        "4 in 2 blocks of 2",
        "6 in 1 block",
        "6 in 3 blocks of 2",
    ]


def test_rows_that_look_alike_have_their_settings() -> None:
    found = rows(trained("a", lr=1e-3), trained("b", lr=3e-3))
    assert [row["settings"] for row in found] == ["optimizer.lr=0.001", "optimizer.lr=0.003"]
    assert "settings" not in rows(trained("a"), trained("b", beta=0.1))[0]


def test_the_last_evaluation_and_the_best_are_both_told() -> None:
    run = trained(top1=0.5)
    run.record["eval"]["top1"][:] = [0.75, 0.5]
    (found,) = rows(run)
    assert (found["top-1 %"], found["best top-1 %"]) == ("50.00", "75.00")


def test_a_run_that_is_not_finished_is_named() -> None:
    run = trained("slow")
    run.record.attributes["status"] = "stopped"
    assert "Not finished: slow (stopped)." in comparison([run]).sentences


def test_a_run_without_an_evaluation_has_dashes() -> None:
    run = Run("bare", bare_record("bare", resolved()))
    assert comparison([run]).missing
    early = trained()
    del early.record.tables["eval"]
    (found,) = rows(early)
    assert not {"top-1 %", "loss"} & found.keys()


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ((2, 2, 3, 3, 2, 3), "15 as 2 2 3 3 2 3"),
        ((3,), "3 in 1 block"),
        ((), ABSENT),
        ((0,), ABSENT),
    ],
)
def test_splits(layers: tuple[int, ...], text: str) -> None:
    assert Spec("m", "d", layers, "e", "1", (), "").split == text


def test_labels_that_do_not_fit_beside_a_figure_are_numbered() -> None:
    def both(**more: tuple[int, ...]) -> tuple[str, list[str]]:
        runs = [trained("a"), trained("b", 1), trained("c", beta=0.3, **more)]
        (group,) = seeds(runs, Artist()).groups
        return group.figures[1].alt, [row[0] for row in group.tables[0].rows]

    alt, labels = both()
    assert labels == ["gradient.beta=0.2", "gradient.beta=0.3"]
    assert alt.startswith("gradient.beta=0.3: ")
    alt, labels = both(layers=(2, 1))
    assert labels == ["row 1: gradient.beta=0.2, model=m", "row 2: gradient.beta=0.3, model=m"]
    assert alt.startswith("row 2: ")


def test_the_key_of_a_configuration_leaves_out_the_seed_alone() -> None:
    import json

    def key(**changes: object) -> str:
        return Spec.of(json.dumps(resolved(**changes))).key  # type: ignore[arg-type]

    assert key(seed=0) == key(seed=1) != key(beta=0.3)


def with_bad_steps(name: str = "run-1", count: int = 1) -> Run:
    """Every second step of a run of 20 is skipped, the first ones first; the last one stopped."""
    run = trained(name)
    place = {"phase": "nudged", "block": "b2", "layer": "s1", "sample": 3, "index": 17}
    for k in range(1, count + 1):
        found = {"kind": "diverging", "value": 2.5e8, "tries": 1, "action": "skipped", **place}
        add_bad_step(run.record, step=2 * k, epoch=(2 * k - 1) // 10 + 1, **found)
    stopped = {"kind": "not finite", "phase": "weights", "tries": 3, "action": "stopped"}
    add_bad_step(run.record, step=20, epoch=2, value=math.inf, **stopped)
    return run


def test_bad_steps_are_told_with_place_and_answer() -> None:
    section = bad_steps([with_bad_steps()])
    (group,) = section.groups
    assert not section.missing and group.title == ""
    assert group.sentences == ["2 of 20 steps went wrong: 1 skipped, 1 stopped."]
    (table,) = group.tables
    first, last = (dict(zip(table.head, row, strict=True)) for row in table.rows)
    assert (first["step"], first["epoch"], first["what"]) == ("2", "1", "diverging")
    assert (first["phase"], first["block"], first["layer"]) == ("nudged", "b2", "s1")
    assert (first["sample"], first["value"], first["action"]) == ("17", "2.5e+08", "skipped")
    assert (last["layer"], last["sample"], last["value"], last["tries"]) == (
        ABSENT,
        ABSENT,
        "inf",
        "3",
    )


def test_each_run_has_its_bad_steps_and_none_has_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bad, "MOST_STEPS", 3)
    runs = [trained("good"), with_bad_steps("one"), with_bad_steps("many", count=9)]
    one, many = bad_steps(runs).groups
    assert (one.title, len(one.tables[0].rows)) == ("one", 2)
    assert (many.title, len(many.tables[0].rows)) == ("many", 3)
    assert many.sentences == [
        "10 of 20 steps went wrong: 9 skipped, 1 stopped.",
        "The first 3 are shown.",
    ]
    assert bad_steps(runs[:1]).missing


def test_bad_steps_are_marked_on_the_training_loss() -> None:
    def told(run: Run) -> list[str]:
        return [figure.alt for figure in learning_curves([run], Artist()).groups[0].figures]

    marked, clean = told(with_bad_steps()), told(trained())
    assert marked[0] == f"{clean[0]}; 2 crosses at bad steps"
    assert marked[1:] == clean[1:]


def test_epochs_count_samples() -> None:
    run = trained()
    np.testing.assert_allclose(run.epochs, np.arange(1, 21) / 10)
    np.testing.assert_allclose(run.epochs_at(np.array([0, 10, 20])), [0, 1, 2])


def test_bins_are_means_of_equal_shares() -> None:
    x, y = binned(np.arange(10.0), np.arange(10.0), 5)
    np.testing.assert_allclose(x, y)
    np.testing.assert_allclose(y, [0.5, 2.5, 4.5, 6.5, 8.5])
    x, y = binned(np.arange(4.0), np.array([1.0, np.nan, np.nan, np.nan]), 2)
    assert y[0] == 1 and math.isnan(y[1])
    assert len(binned(np.arange(3.0), np.ones(3), 150)[0]) == 3


def test_texts() -> None:
    assert printable("a\x00b\u202ec\nd") == "a\ufffdb\ufffdc\nd"
    assert short("abc") == "abc" and short("x" * 40, 9) == "xxxx…xxxx"
    assert len(short("a" * 99)) == 30
    assert [duration(s) for s in (1.25, 42.2, 187, 18120, math.nan, -1)] == [
        "1.2 s",
        "42 s",
        "3 min 07 s",
        "5 h 02 min",
        ABSENT,
        ABSENT,
    ]
    assert duration(59.9) == "60 s" and duration(3599.9) == "1 h 00 min"
    assert number(0.00012345) == "0.000123" and number(math.inf) == ABSENT
    assert counted(1, "block") == "1 block" and counted(2, "block") == "2 blocks"
    assert counted(2, "process", "processes") == "2 processes"
