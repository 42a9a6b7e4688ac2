"""``ffebm bench``: its table, its JSON object, its refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffebm_dsl.cli import main as command

SPEC = str(Path(__file__).parents[2] / "specs" / "small" / "smallest.ffe")
QUICK = ["--repeats", "2", "--warm-up", "1", "--batch", "4", "--device", "cpu"]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["bench", SPEC, "--json", *QUICK]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["batch"], found["repeats"], found["dtype"]) == (4, 2, "float32")
    for cost in [found["floor"], *found["estimators"].values()]:
        seconds = cost["seconds"]
        assert 0 < seconds["least"] <= seconds["median"] <= seconds["greatest"]
    assert found["estimators"]["ep"]["peak_bytes"] > 0
    assert found["estimators"]["unrolled"]["sweeps"].keys() == {"free"}


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["bench", SPEC, "--dtype", "float64", *QUICK]) == 0
    head, _, columns, *rows = capsys.readouterr().out.splitlines()
    assert "batch 4, float64, cpu" in head
    assert columns.split()[:3] == ["estimator", "seconds", "a"]
    kinds = ["floor", "backprop", "aep", "bptt", "coupled_learning", "ep", "implicit", "unrolled"]
    assert [row.split()[0] for row in rows] == kinds
    start = columns.index("seconds")
    assert all(row[start - 1] == " " != row[start] for row in rows)  # a column, below its head


def test_only_the_estimators_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--estimator", "implicit", "--estimator", "ep", "--estimator", "ep"]
    assert command.main(["bench", SPEC, "--json", *asked, *QUICK]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["estimators"]) == ["implicit", "ep"]
    assert found["floor"]["seconds"]["least"] > 0 and found["backprop"]["seconds"]["least"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dtype", "float16"], "unknown dtype 'float16'"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--batch", "0"], "0"),
        (["--estimator", "bptx"], "did you mean `bptt`?"),
    ],
)
def test_wrong_options(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["bench", SPEC, *options]) == 2
    assert message in capsys.readouterr().err
