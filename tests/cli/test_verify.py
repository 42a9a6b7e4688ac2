"""``ffebm verify``: references are written, found and reproduced; differences are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ffebm_dsl.cli.main import main

SPECS = Path(__file__).parents[2] / "specs"
SMALLEST = (SPECS / "small" / "smallest.ffe").read_text(encoding="utf-8")
TEXT = SMALLEST.replace("128", "16").replace("batch=32", "batch=4")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "s.ffe"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("reference") / "s.ffe"
    path.write_text(TEXT, encoding="utf-8")
    assert main(["verify", str(path), "--write", "--steps", "3"]) == 0
    return path.with_name("s.reference.json").read_text(encoding="utf-8")


@pytest.fixture
def written(spec: Path, reference: str) -> Path:
    path = spec.with_name("s.reference.json")
    path.write_text(reference, encoding="utf-8")
    return path


def found(spec: Path, capsys: pytest.CaptureFixture[str], status: int) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["verify", str(spec), "--json"]) == status
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_what_was_written_is_reproduced(
    spec: Path, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = found(spec, capsys, 0)
    assert data["reproduced"] and data["largest"] <= data["limit"] < 1e-8
    assert main(["verify", str(spec)]) == 0
    assert "3 steps reproduced" in capsys.readouterr().out
    # A comment changes nothing that is trained.
    spec.write_text(f"# again\n{spec.read_text()}", encoding="utf-8")
    assert found(spec, capsys, 0)["reproduced"]


@pytest.mark.parametrize(
    ("old", "new", "first"),
    [
        ("lr=2e-3", "lr=3e-3", "step 2, loss"),
        ("[64]  hard_sigmoid", "[64]  sigmoid", "step 1, loss"),
        ("epochs    = 10", "epochs    = 10  seed = 1", "initial b.u.linear.weight"),
    ],
)
def test_the_first_difference_is_named(
    spec: Path,
    written: Path,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    first: str,
) -> None:
    text = spec.read_text(encoding="utf-8")
    assert old in text
    spec.write_text(text.replace(old, new), encoding="utf-8")
    data = found(spec, capsys, 1)
    assert data["differences"][0]["place"] == first
    assert data["surroundings"][0].startswith("the spec's text is not")
    assert main(["verify", str(spec)]) == 1
    assert f"not reproduced; first at {first}" in capsys.readouterr().out


def test_rounding_passes_and_more_does_not(
    spec: Path, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stated = json.loads(written.read_text())
    loss = stated["curve"]["loss"]
    limit = 1e4 * 2**-52 * max(1, stated["amplification"])
    for factor, status in ((0.5, 0), (2, 1)):
        stated["curve"]["loss"] = [*loss[:2], loss[2] * (1 + factor * limit)]
        written.write_text(json.dumps(stated))
        data = found(spec, capsys, status)
        assert [d["place"] for d in data["differences"]] == ["step 3, loss"][:status]


def test_other_versions_are_named(
    spec: Path, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stated = json.loads(written.read_text())
    stated["curve"]["change"]["b.s1_s2.linear.bias"] = 1.0
    stated["packages"][1] = "torch==1.0"
    written.write_text(json.dumps(stated))
    data = found(spec, capsys, 1)
    assert data["differences"][0]["place"] == "change of b.s1_s2.linear.bias"
    assert any(line.startswith("torch: 1.0 there") for line in data["surroundings"])


def test_a_copy_of_a_bundled_spec_has_its_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "mine.ffe"
    copy.write_text(SMALLEST, encoding="utf-8")
    assert found(copy, capsys, 0)["reference"].endswith("smallest.reference.json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "s.ffe has no reference"),
        (["--steps", "3"], "are options of --write"),
        (["--write", "--results", "nowhere"], "nowhere is not a run directory"),
        (["--write", "--set", "data.batch=0"], "FFE1010"),
    ],
)
def test_what_cannot_be_verified(
    spec: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["verify", str(spec), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not spec.with_name("s.reference.json").exists()


@pytest.mark.parametrize("damage", ["{", "[]", '{"format": "other"}', "nan"])
def test_a_damaged_reference_is_refused(
    spec: Path, written: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    if damage == "nan":
        damage = written.read_text().replace('"test_loss": ', '"test_loss": 1e999, "x": ')
    written.write_text(damage)
    assert main(["verify", str(spec)]) == 2
    assert "is not the reference of a spec" in capsys.readouterr().err


def test_a_training_that_amplifies_rounding_has_no_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = SPECS / "paper" / "split_l6_bs6.ffe"
    copy = tmp_path / "l6.ffe"
    copy.write_text(spec.read_text(encoding="utf-8"), encoding="utf-8")
    settings = ["--set", "width=4", "--set", "data.batch=4", "--steps", "2"]
    assert main(["verify", str(copy), "--write", *settings]) == 2
    assert "rounding is amplified" in capsys.readouterr().err
    assert not copy.with_name("l6.reference.json").exists()


def test_results_on_file_are_kept(
    spec: Path, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stated = json.loads(written.read_text())
    stated["results"] = [
        {"overrides": {}, "epochs": 10, "on": "test", "metric": "top1", "values": {"0": 0.9}}
        | {"dtype": "float32", "data": "ab", "ffebm": "0.2.0"}
    ]
    written.write_text(json.dumps(stated))
    again = ["verify", str(spec), "--write", "--steps", "1"]
    assert main(again) == 0
    renewed = json.loads(written.read_text())
    assert renewed["steps"] == 1 and renewed["results"] == stated["results"]
    # Those of another text are neither kept as if they were of this one, nor lost.
    spec.write_text(f"# again\n{spec.read_text()}", encoding="utf-8")
    assert main(again) == 2
    assert "belong to an earlier text" in capsys.readouterr().err
    assert json.loads(written.read_text()) == renewed


@pytest.mark.slow
def test_whole_trainings_are_kept_and_printed(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = spec.read_text(encoding="utf-8").replace("epochs    = 10", "epochs    = 1")
    spec.write_text(text.replace("batch=4", "batch=256, validation=0.1"), encoding="utf-8")
    folder = tmp_path / "sweep"
    assert main(["sweep", str(spec), "--seeds", "2", "--out", str(folder), "--quiet"]) == 0
    settings = ["--set", "data.batch=4", "--steps", "1", "--results", str(folder)]
    assert main(["verify", str(spec), "--write", *settings]) == 0
    # With results alone the short training is repeated, with its settings and its length.
    path = spec.with_name("s.reference.json")
    stated = json.loads(path.read_text())
    curve = {**stated["curve"], "loss": [0.5]}
    path.write_text(json.dumps({**stated, "curve": curve, "results": []}))
    assert main(["verify", str(spec), "--write", "--results", str(folder)]) == 0
    assert json.loads(path.read_text()) == stated
    capsys.readouterr()
    assert main(["verify", str(spec)]) == 0
    printed = capsys.readouterr().out
    assert "trained for 1 epochs: test top1" in printed and "(seeds 0, 1)" in printed
    other = tmp_path / "other.ffe"
    other.write_text(f"# other\n{spec.read_text()}", encoding="utf-8")
    assert main(["verify", str(other), "--write", *settings]) == 2
    assert "is a run of another spec" in capsys.readouterr().err
