"""Netlists: results of ngspice, and refusals."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

import ffebm_dsl
from ffebm_dsl.cli.main import main
from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.tools import netlist as module

TEXT = """ffe 1.1
model m {
  input  x: image(1, 4, 4)
  target y: vector(3)
  relax free { sweeps = 2000  tolerance = 1e-13 }
  block b {
    feedforward u = x |> double() |> gain(3)
    energy resistive {
      layer s0: [2, 4, 4] diode
      layer S0: [5] hard_sigmoid
      layer s2: [3] identity
      u  ->  s0 : conv2d(kernel=3, padding=1)
      s0 <-> S0 : avg_pool2d(2) |> flatten() |> linear()
      S0 <-> s2 : linear()
    }
    out = s2
  }
  loss = mse(b, y)
}
"""

needs_ngspice = pytest.mark.skipif(
    shutil.which("ngspice") is None, reason="ngspice is not installed (Debian: ngspice)"
)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "m.ffe"
    path.write_text(TEXT, encoding="utf-8")
    return path


def expected(text: str) -> dict[str, float]:
    """The voltages that the netlist says ffebm finds, by node."""
    return {node: float(v) for node, v in re.findall(r"^\* v\((\w+)\) = (\S+)$", text, re.M)}


@needs_ngspice
def test_ngspice_finds_the_same_voltages(spec: Path, tmp_path: Path) -> None:
    file = tmp_path / "m.cir"
    assert main(["show", str(spec), "--netlist", str(file)]) == 0
    wanted = expected(file.read_text(encoding="utf-8"))
    solved = subprocess.run(
        ["ngspice", "-b", str(file)], capture_output=True, text=True, timeout=60, check=True
    )
    found = {n: float(v) for n, v in re.findall(r"^\s*(\w+)\s+(-?\d\S*)\s*$", solved.stdout, re.M)}
    assert len(wanted) == 32 + 5 + 3
    # A diode that conducts keeps some ten microvolts.
    assert max(abs(found[node] - volts) for node, volts in wanted.items()) < 3e-4
    assert max(map(abs, wanted.values())) > 0.1


def test_every_part_of_the_circuit_is_there(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(spec), "--netlist", "-"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("* ffebm") and lines[-2:] == [".op", ".end"]
    parts = [line.split()[0][0] for line in lines if line[0] not in "*."]
    # 2 x 16 sources of the input and one at 1 volt; biases of 2 channels, 5 and 3 nodes; a
    # diode at each of 32 nodes, two at each of 5.
    assert [parts.count(letter) for letter in "vid"] == [33, 40, 42]
    assert all(float(line.split()[3]) > 0 for line in lines if line[0] == "r")
    names = set(expected("\n".join(lines)))
    assert len(names) == len({name.lower() for name in names}) == 40


@pytest.mark.parametrize(
    "keys",
    [
        "",
        "weights = array(mismatch=0.5, write_noise=0.1)  drives = dac(2, range=3)",
        "weights = pcm(time=1e6)  noise = [read(0.1)]",
    ],
)
def test_voltages_are_those_of_the_conductances_and_sources(
    keys: str, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also on a device, whose conductances are not those of the weights."""
    text = spec.read_text(encoding="utf-8")
    if keys:
        text = text.replace("model m", f"hardware h {{ {keys} }}\nmodel m")
        text = text.replace("energy resistive", "energy resistive on h")
    spec.write_text(text, encoding="utf-8")
    assert main(["show", str(spec), "--netlist", "-"]) == 0
    out = capsys.readouterr().out
    volts = expected(out) | {"0": 0.0}
    volts |= {n: float(v) for n, v in re.findall(r"^v\d+ (\w+) 0 (\S+)$", out, re.M)}
    into: dict[str, float] = dict.fromkeys(expected(out), 0.0)
    for a, b, ohm in re.findall(r"^r\d+ (\w+) (\w+) (\S+)$", out, re.M):
        current = (volts[a] - volts[b]) / float(ohm)
        for node, sign in ((a, -1), (b, 1)):
            if node in into:
                into[node] += sign * current
    for node, current in re.findall(r"^i\d+ 0 (\w+) (\S+)$", out, re.M):
        into[node] += float(current)
    free = [n for n in into if n.startswith("b_s2_")]
    assert len(free) == 3
    assert max(abs(into[node]) for node in free) < 1e-5
    # A diode's current only flows one way, and none does off the end of its range.
    inside = [n for n in into if 0.01 < abs(volts[n]) < 0.99]
    assert inside and max(abs(into[node]) for node in inside) < 1e-5


def test_a_netlist_from_python_is_for_one_sample(spec: Path) -> None:
    network = ffebm_dsl.load(spec)
    x = torch.randn(2, 1, 4, 4)
    assert expected(module.netlist(network, x[:1])) == expected(module.netlist(network, (x[:1],)))
    for inputs in (x, (x,), x[0]):
        with pytest.raises(InputError, match="for one sample, and the input x has shape"):
            module.netlist(network, inputs)


def test_a_network_without_a_circuit_has_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "specs/small/smallest.ffe", "--netlist", str(tmp_path / "m.cir")]) == 2
    assert "no resistive block" in capsys.readouterr().err
    assert not (tmp_path / "m.cir").exists()


def test_a_circuit_too_large_for_a_netlist_is_refused(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "MOST_RESISTORS", 10)
    assert main(["show", str(spec), "--netlist", "-"]) == 2
    assert "resistors, more than the 10" in capsys.readouterr().err
