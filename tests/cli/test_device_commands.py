"""Output of commands for a network on two devices."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main

TEXT = """ffe 1.1

param noise: real = 0.02

hardware fast {
  weights    = array(levels=64, mismatch=0.05, transpose_mismatch=0.02)
  noise      = [read(noise)]
  drives     = dac(8, range=4)
  outputs    = adc(7, range=1)
  cotangents = dac(8)
  updates    = adc(5)
}

hardware memory {
  weights    = pcm(compensated=true)
  drives     = dac(8)
  outputs    = adc(8)
  cotangents = dac(8)
  updates    = adc(8)
}

model m {
  input  x: vector(6)
  target y: label(3)
  relax free   { sweeps = 20  tolerance = 0 }
  relax nudged { sweeps = 10 }
  gradient ep(beta=0.5)
  block a {
    feedforward u = x |> linear(5)
    energy hopfield on fast {
      layer s1: [5] hard_sigmoid
      layer s2: [4] hard_sigmoid
      u  ->  s1
      s1 <-> s2 : linear()
    }
    out = s2
  }
  block b {
    energy hopfield on memory {
      layer s1: [3] hard_sigmoid
      a -> s1 : linear()
    }
    out = s1
  }
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "two.ffe"
    path.write_text(TEXT)
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main([*arguments]) == code
    return " ".join(capsys.readouterr().out.split())


def test_show_has_every_knob_and_which_block_is_where(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "show", str(spec))
    for part in (
        "hardware fast: weights = array(levels=64, mismatch=0.05, transpose_mismatch=0.02), "
        "noise = [read(0.02)], drives = dac(8, range=4.0), outputs = adc(7, range=1.0), "
        "cotangents = dac(8), updates = adc(5)",
        "hardware memory: weights = pcm(compensated=true), drives = dac(8)",
        "block a: hopfield on fast",
        "block b: hopfield on memory",
    ):
        assert part in text


def test_the_drawing_has_converters_on_its_edges(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = re.findall(r"<text[^>]*>(.*?)</text>", said(capsys, "show", str(spec), "--graph", "-"))
    for label in ("energy hopfield on fast", "dac(8, range=4.0)", "adc(7, range=1.0)", "adc(8)"):
        assert any(label in text for text in drawn)


@pytest.mark.parametrize("to", ["yaml", "json"])
def test_convert_keeps_the_devices(spec: Path, to: str, capsys: pytest.CaptureFixture[str]) -> None:
    other = spec.with_suffix(f".{to}")
    assert main(["convert", str(spec), str(other)]) == 0
    capsys.readouterr()
    assert said(capsys, "diff", str(spec), str(other)).endswith("the same network")


def test_fmt_leaves_the_canonical_text(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--check", str(spec)]) == 0


def test_diff_names_each_knob(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = spec.with_name("other.ffe")
    other.write_text(TEXT.replace("adc(7, range=1)", "adc(3, range=1)").replace("0.02\n", "0.1\n"))
    text = said(capsys, "diff", str(spec), str(other))
    assert "hardware outputs (a): A adc(7, range=1.0), B adc(3, range=1.0)" in text
    assert "hardware noise (a): A [read(0.02)], B [read(0.1)]" in text


def test_cost_prices_the_stated_resolutions(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "cost", str(spec))
    for bits in ("adc, 5 bits", "adc, 7 bits", "adc, 8 bits", "dac, 8 bits"):
        assert bits in text


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("pcm", ("0.26348 + 1.9650 r - 1.1731 r^2", "Nandakumar et al. 2019")),
        ("reram", ("0.348 + 16.030 r - 43.853 r^2", "Wan et al. 2022")),
    ],
)
def test_explain_has_formula_and_source(
    name: str, parts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "explain", name)
    assert all(part in text for part in parts)


def test_check_has_the_devices_in_json(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(spec), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["devices"]
    assert {row["knob"] for row in rows} >= {"fast: updates adc(5)", "memory: drives dac(8)", "all"}
