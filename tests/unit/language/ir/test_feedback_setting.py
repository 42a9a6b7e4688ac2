"""`feedback` of couplings in the language: checked, counted, shown, kept in documents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ffebm_dsl.build import build
from ffebm_dsl.cli.main import main
from ffebm_dsl.language.diagnostics import InputError, SourceFile, SpecError
from ffebm_dsl.language.interchange.document import read_yaml, write_yaml
from ffebm_dsl.language.interchange.load import compile_document, to_plain
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.check.check_feedback import layer_weights
from ffebm_dsl.language.ir.model import BlockIR, SpecIR
from ffebm_dsl.language.ir.tools.count import count
from ffebm_dsl.language.registry import ENERGIES
from ffebm_dsl.tools.checking import CheckSettings, check, findings

TEXT = """ffe 1.1
model m {
  input  x: vector(6)
  target y: label(3)
  gradient GRADIENT
  init normal(std=0.4)
  block b {
    energy hopfield {
      layer s1: [5] tanh
      layer s2: [4] tanh
      layer s3: [3] tanh
      x  ->  s1 : linear()
      s1 <-> s2 : linear() FIRST
      s2 <-> s3 : linear() SECOND
    }
    relax free { sweeps = 200 }
    relax nudged { sweeps = 200 }
    out = s3
  }
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}
"""


def text(first: str = "", second: str = "", gradient: str = "ep(beta=0.05)") -> str:
    def stated(value: str) -> str:
        return f"{{ feedback = {value} }}" if value else ""

    return (
        TEXT.replace("FIRST", stated(first))
        .replace("SECOND", stated(second))
        .replace("GRADIENT", gradient)
    )


def spec(*arguments: str) -> SpecIR:
    return compile_spec(SourceFile("m.ffe", text(*arguments))).spec


def block(ir: SpecIR) -> BlockIR:
    return next(ir.model.blocks)


def test_feedback_of_1_is_none() -> None:
    assert spec("1") == spec("1.0") == spec()


def test_the_weights_of_the_layers() -> None:
    assert layer_weights(block(spec("0.5", "0.1"))) == {"s1": 1.0, "s2": 0.5, "s3": 0.05}
    assert layer_weights(block(spec("own", "0.1"))) is None


def test_a_factor_is_not_0() -> None:
    with pytest.raises(SpecError) as caught:
        spec("0")
    assert [d.code for d in caught.value.diagnostics] == ["FFE1010"]


def test_a_negative_factor_makes_a_layer_of_negative_weight() -> None:
    weights = layer_weights(block(spec("-0.5", "0.5")))
    assert weights == {"s1": 1, "s2": -0.5, "s3": -0.25}


def test_own_without_weights_changes_nothing() -> None:
    faulty = text().replace("s1 <-> s2 : linear()", "s1 <-> s2 { feedback = own }")
    with pytest.raises(SpecError) as caught:
        compile_spec(SourceFile("m.ffe", faulty.replace("[4]", "[5]")))
    assert "FFE3010" in {d.code for d in caught.value.diagnostics}


def test_a_way_back_of_its_own_is_counted_and_built() -> None:
    plain, own = spec(), spec("own", "", "aep()")
    assert count(own.model).parameters - count(plain.model).parameters == 20
    network = build(own, seed=3)
    named = dict(network.named_parameters())
    backward = named["stages.b.core.energy.couplings.s1_s2.ops.linear.backward_weight"]
    assert backward.shape == (4, 5)
    assert network.labels()["stages.b.core.energy.couplings.s1_s2.ops.linear.backward_weight"] == (
        "b.s1_s2.linear.backward_weight"
    )
    weight = named["stages.b.core.energy.couplings.s1_s2.ops.linear.weight"]
    assert not torch.equal(backward, weight)
    assert 0.2 < float(backward.detach().std()) < 0.7  # drawn by `init`, not by torch's default
    assert sum(p.numel() for p in named.values()) == count(own.model).parameters


def test_other_weights_are_drawn_as_before() -> None:
    plain, scaled = (build(spec(k), seed=3).state_dict() for k in ("", "0.3"))
    assert list(plain) == list(scaled)
    assert all(torch.equal(plain[key], scaled[key]) for key in plain)


@pytest.mark.parametrize("first", ["0.25", "own"])
def test_documents_keep_it(first: str) -> None:
    ir = spec(first, "", "aep()")
    again = read_yaml(SourceFile("m.yaml", write_yaml(to_plain(ir))))
    assert compile_document(again).spec == ir


def test_an_edited_spec_without_an_energy_is_refused() -> None:
    ir = spec("0.5", "0.5")
    (edited,) = ir.model.blocks
    first = edited.couplings[0]
    parallel = replace(first, name="s1_s2_2", settings={**first.settings, "feedback": 1.0})
    edited = replace(edited, couplings=(*edited.couplings, parallel))
    with pytest.raises(InputError, match="around s1 - s2 - s1 the factors multiply to 2"):
        build(replace(ir, model=replace(ir.model, stages=(edited,))))


def test_a_kind_of_energy_may_have_no_feedback(monkeypatch: pytest.MonkeyPatch) -> None:
    symmetric = replace(ENERGIES["hopfield"], feedback=None)
    monkeypatch.setattr(ENERGIES, "_read", {**ENERGIES._read, "hopfield": symmetric})
    assert spec() == spec("1")
    for value in ("0.5", "own"):
        with pytest.raises(SpecError) as caught:
            spec(value, "", "aep()")
        assert [d.code for d in caught.value.diagnostics] == ["FFE3011"]
        assert "are equal in both directions" in caught.value.diagnostics[0].message


def test_show_tells_the_energy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.ffe"
    path.write_text(text("0.5", "0.1"))
    assert main(["show", str(path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "w: s1 1, s2 0.5, s3 0.05" in shown and "feedforward net" in shown
    path.write_text(text("own", "", "aep()"))
    assert main(["show", str(path)]) == 0
    assert "no energy: s1 <-> s2 with a way back of its own" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize(
    ("first", "gradient"),
    [
        ("0.2", "ep(beta=0.05)"),
        ("0.2", "aep(beta=0.05)"),
        ("own", "aep(beta=0.05)"),
        ("own", "implicit()"),
        ("own", "aep(beta=0.05, stencil=4)"),
    ],
)
def test_the_check_agrees(first: str, gradient: str) -> None:
    report = check(spec(first, "0.5", gradient), CheckSettings(samples=2, directions=3))
    assert report.ok and not report.biased
    orders = {sweep.estimator: sweep.observed_order for sweep in report.beta_sweep}
    assert orders["centered"] is not None and abs(orders["centered"] - 2) < 0.2
    assert orders["positive"] is not None and abs(orders["positive"] - 1) < 0.2


def test_the_check_measures_how_far_off_ep_is() -> None:
    source = SourceFile("m.ffe", text("own", "own"))
    compiled = compile_spec(source)
    assert [d.code for d in compiled.warnings] == ["FFEW011"]
    report = check(compiled.spec, CheckSettings(samples=2, directions=3))
    assert report.ok, "AEP is judged in the place of EP"
    assert set(report.biased) == {"b"} and report.biased["b"] < 0.99
    found = [d for d in findings(report, source, compiled.places) if d.code == "FFEW011"]
    assert len(found) == 1 and f"{report.biased['b']:.6f}" in found[0].message
