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
    assert [row.split()[0] for row in rows] == ["floor", "ep", "implicit", "unrolled"]


def lowered(folder: Path) -> str:
    text = Path(SPEC).read_text(encoding="utf-8")
    keys = "".join(f"  relax {phase} {{ precision = bf16 }}\n" for phase in ("free", "nudged"))
    spec = folder / "lowered.ffe"
    spec.write_text(text.replace("  block b {", f"{keys}  block b {{"), encoding="utf-8")
    return str(spec)


def test_what_a_lower_precision_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["bench", lowered(tmp_path), "--json", *QUICK]) == 0
    found = json.loads(capsys.readouterr().out)
    for cost in found["estimators"].values():
        as_set, in_full = cost["accuracy"]["as_set"], cost["accuracy"]["in_full"]
        assert 0.99 < as_set["cosine"] <= 1 and 0.99999 < in_full["cosine"] <= 1.000001
        assert in_full["relative_error"] < as_set["relative_error"] < 0.1
    assert command.main(["bench", lowered(tmp_path), *QUICK]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-4].startswith("gradient against float64")
    assert [row.split()[:2] for row in out[-3:]] == [
        [kind, "cosine"] for kind in ("ep", "implicit", "unrolled")
    ]


def test_a_precision_without_effect_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["bench", lowered(tmp_path), "--dtype", "float64", "--json", *QUICK]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert all(cost["accuracy"] is None for cost in found["estimators"].values())
    assert "precision = bf16 has no effect: a network in float64" in said.err
    assert found["remarks"] and f"note: {found['remarks'][0]}" in said.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dtype", "float16"], "unknown dtype 'float16'"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--batch", "0"], "0"),
    ],
)
def test_wrong_options(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["bench", SPEC, *options]) == 2
    assert message in capsys.readouterr().err
