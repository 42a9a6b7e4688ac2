"""``ffebm eval`` on hardware other than that of training."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.running.training import train
from tests.unit.running.training.runs import SPEC, controls, new_session, write_data

TEXT = (
    SPEC.replace("ffe 1.0", "ffe 1.1")
    .replace(
        "\nmodel small {",
        """
param mismatch: real = 0.2
param noise: real = 0.0
hardware trained { weights = array(mismatch=mismatch)  noise = [read(0.05)]  updates = adc(8) }
hardware drifting { weights = pcm() }
hardware coarse { outputs = adc(3) }
hardware stated { outputs = adc(3, range=1) }
hardware other_way { weights = array(transpose_mismatch=0.3) }
model small {""",
    )
    .replace("hopfield {", "hopfield on trained {")
    .replace("relax free   {", "relax free   { noise = [read(noise)] ")
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_data(folder)
    train(new_session(folder, text=TEXT), controls())
    return folder / "run"


def loss(capsys: pytest.CaptureFixture[str], run: Path, *options: str) -> float:
    assert main(["eval", str(run), "--json", *options]) == 0
    return float(json.loads(capsys.readouterr().out)["loss"])


def test_other_hardware_gives_other_results(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    choices = [
        (),
        ("--hardware", "ideal"),
        ("--hardware", "drifting"),
        ("--hardware", "drifting", "--after", "1e7"),
        ("--hardware", "stated"),
        ("--hardware", "other_way"),
        ("--device-seed", "1"),
        ("--set", "mismatch=0.4"),
        ("--set", "mismatch=0.4", "--device-seed", "1"),
    ]
    found = [loss(capsys, run, *options) for options in choices]
    assert len(set(found)) == len(choices)
    assert found == [loss(capsys, run, *options) for options in choices]
    assert loss(capsys, run, "--hardware", "trained") == found[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--hardware", "traned"), "no hardware `traned`"),
        (("--after", "10"), "do not drift: `array` has no time"),
        (("--hardware", "ideal", "--after", "10"), "neither another device nor a drift"),
        (("--set", "msmatch=0.1"), "nothing called `msmatch`"),
        (("--set", "noise=0.1"), "--set noise=0.1 changes more than the hardware"),
        (("--set", "epochs=7"), "--set epochs=7 changes more than the hardware"),
        (("--hardware", "coarse"), "found no range in the run's training"),
        (("--hardware", "stated", "--device-seed", "1"), "hardware stated is the same"),
        (("--hardware", "stated", "--set", "mismatch=0.4"), "changes nothing of the hardware"),
        (("--hardware", "ideal", "--set", "mismatch=0.4"), "changes nothing of the hardware"),
    ],
)
def test_what_there_is_not_is_said(
    run: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    assert main(["eval", str(run), *options]) == 2
    assert said in capsys.readouterr().err


def test_the_hardware_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(run), "--hardware", "drifting", "--after", "60"]) == 0
    assert "on hardware drifting, after 60 s\n" in capsys.readouterr().out


def test_the_report_has_its_devices_and_joules(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert main(["report", str(run), "--out", str(page)]) == 0
    text = page.read_text()
    assert "no run was trained on hardware" not in text
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>.*?</tr>", text)]
    placed = {row[1]: row[2] for row in rows if row[:1] == ["run"]}
    assert placed["trained"] == "b1, b2" and placed["coarse"] == "none"
    for said in ("array(mismatch=0.2)", "[read(0.05)]", "adc(8)", "Joules for a training step"):
        assert said in text, said
