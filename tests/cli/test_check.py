"""``ffebm check``: verdicts, JSON, exit codes."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import ffebm_dsl
from ffebm_dsl.cli.main import main
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.registry import OPS, OpIR
from ffebm_dsl.physics.interfaces import LinearOp, Weights
from ffebm_dsl.running.records import read
from ffebm_dsl.tools.checking.problem import random_batch

SMALL = """ffe 1.0
model small {
  input  x: image(1, 4, 4)
  target y: label(3)
  block b {
    feedforward u = x |> flatten() |> linear(6)
    energy hopfield {
      layer s1: [6] tanh(0.5)
      layer s2: [4] tanh(0.5)
      u -> s1
      s1 <-> s2 : linear()
    }
    out = s2
  }
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}
"""

FAR = "  relax free { sweeps = 3000 tolerance = 1e-13 }\n"


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "small.ffe"
    path.write_text(SMALL, encoding="utf-8")
    return str(path)


def test_a_right_spec(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", spec, "--threads", "1"]) == 0
    out, err = capsys.readouterr()
    assert "b.s1_s2.linear.weight" in out and "b.input(x)" in out
    assert "comparisons of 7 tensors agree" in out
    assert "Traceback" not in err


def test_json_is_one_object_with_everything(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", spec, "--json", "--samples", "2"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is True
    assert result["diagnostics"] == []
    assert {"tensor", "estimator", "reference", "cosine", "relative_error"} <= set(
        result["gradients"][0]
    )
    for sweep in result["beta_sweep"]:
        expected = 2.0 if sweep["estimator"] == "centered" else 1.0
        assert sweep["observed_order"] == pytest.approx(expected, abs=0.2)
        assert len(sweep["betas"]) == len(sweep["relative_errors"])
    for row in result["relaxation"]:
        assert {"block", "phase", "statuses", "max_residual", "sweeps"} <= set(row)


def detached_module(op: OpIR) -> nn.Module:
    """A linear map whose values are right, and whose gradient misses half of its weight's."""

    class Half(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            weight = (self.weight + self.weight.detach()) / 2
            return nn.functional.linear(x, weight, self.bias)

    return Half(op.in_shape[0], op.out_shape[0])


def plant(monkeypatch: pytest.MonkeyPatch, **halves: Any) -> None:
    """Let `linear` have other halves, which are wrong."""
    monkeypatch.setattr(OPS, "_read", {**OPS._read, "linear": replace(OPS["linear"], **halves)})


def test_a_wrong_gradient_ends_with_1_and_is_named(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, module=detached_module)
    assert main(["check", spec]) == 1
    out, err = capsys.readouterr()
    assert "WRONG" in out and "BROKEN" not in out
    assert "FFE4004" in err and "`b.u.linear.weight` in block `b`" in err
    assert f"small.ffe:6:{SMALL.splitlines()[5].index('linear') + 1}" in err
    assert main(["check", spec, "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is False
    assert {"FFE4004"} == {d["code"] for d in result["diagnostics"]}


def scaled_adjoint(op: OpIR) -> Any:
    class Scaled(LinearOp):
        in_shape, out_shape = op.in_shape, op.out_shape

        def weight_shapes(self) -> dict[str, tuple[int, ...]]:
            return {"weight": (*self.out_shape, *self.in_shape), "bias": self.out_shape}

        def tangent(self, x: torch.Tensor, weights: Weights) -> torch.Tensor:
            return x @ weights["weight"].t()

        def adjoint(self, y: torch.Tensor, weights: Weights) -> torch.Tensor:
            return 1.01 * (y @ weights["weight"])

    return Scaled()


def test_a_broken_promise_ends_with_1_and_names_the_construct(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, coupling=scaled_adjoint)
    assert main(["check", spec]) == 1
    out, err = capsys.readouterr()
    assert "BROKEN: the adjoint is the transpose of the tangent" in out
    assert "tensor" not in out, "no gradient is measured"
    assert "FFE4007" in err and "the op `linear`" in err and "small.ffe:11:19" in err
    assert "promises are broken by linear; no gradient was measured" in err
    assert main(["check", spec, "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is False and result["gradients"] == []
    assert {"FFE4007"} == {d["code"] for d in result["diagnostics"]}
    (row,) = (row for row in result["constructs"] if row["construct"] == "linear")
    errors = [promise["error"] for promise in row["promises"] if not promise["kept"]]
    assert errors and all(0.001 < error < 0.02 for error in errors)


def training_gradients(text: str, seed: int, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """What a step of training has at the weights and on the batch of a check with this seed."""
    network = ffebm_dsl.load(text, seed=seed, dtype=torch.float64).to(dtype)
    network.train()
    (x,), y = random_batch(ffebm_dsl.compile_spec(SourceFile("t", text)).spec, 4, seed)
    network(x.to(dtype), y).loss.backward()
    labels = network.labels()
    return {labels[name]: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_as_configured_is_what_training_has(
    spec: str, dtype: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A nudge that float32 rounds away: the column shows it, and a warning says so."""
    text = SMALL.replace("  block b", "  gradient ep(beta=1e-7)\n  block b")
    Path(spec).write_text(text)
    options = ["--json", "--device", "cpu", "--seed", "3", "--dtype", dtype]
    assert main(["check", spec, *options]) == 0
    result = json.loads(capsys.readouterr().out)
    own = training_gradients(text, 3, getattr(torch, dtype))
    true = training_gradients(
        text.replace("ep(beta=1e-7)", "implicit()").replace("  block b", FAR + "  block b"),
        3,
        torch.float64,
    )
    shown = {row["tensor"]: row["cosine"] for row in result["as_configured"]}
    for name, gradient in own.items():
        expected = torch.cosine_similarity(gradient.double().flatten(), true[name].flatten(), 0)
        assert shown[name] == pytest.approx(float(expected), abs=1e-4)
    found = [d for d in result["diagnostics"] if d["code"] == "FFEW010"]
    assert result["dtype"] == dtype and result["device"] == "cpu"
    if dtype == "float64":
        assert min(shown.values()) > 0.999 and not found
        return
    assert min(shown.values()) < 0.99
    assert found and "larger `beta`" in found[0]["help"]
    assert min(row["cosine"] for row in result["as_configured_in_float64"]) > 0.999


def test_a_poor_gradient_of_phases_that_cycle_is_not_mended_by_more_sweeps(
    spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check damps the block and finds its fixed point; the sweeps of the spec do not."""
    text = SMALL.replace("ffe 1.0", "ffe 1.1").replace("linear()\n", "linear() { feedback = -6 }\n")
    Path(spec).write_text(text.replace("  block b", "  init normal(std=0.4)\n  block b"))
    assert main(["check", spec, "--json", "--device", "cpu"]) == 0
    result = json.loads(capsys.readouterr().out)
    (free,) = (r for r in result["relaxation"] if (r["phase"], r["settings"]) == ("free", "spec"))
    assert free["statuses"] == {"cycling": 4}
    found = [d for d in result["diagnostics"] if d["code"] == "FFEW010"]
    assert found and all("add `damping`" in d["help"] for d in found)


def test_a_block_that_does_not_relax_is_not_called_wrong(
    spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SMALL.replace("tanh(0.5)", "identity").replace(
        "  block b", "  init normal(std=4.0)\n  block b"
    )
    Path(spec).write_text(text)
    assert main(["check", spec, "--device", "cpu"]) == 1
    out, err = capsys.readouterr()
    head = out.partition("tensor")[2].partition("\nEP: against")[0]
    assert "WRONG" not in out and "not relaxed" in head
    assert "not relaxed: block b after" in head and "its gradients are meaningless" in head
    assert "FFE4005" in err


def test_options_of_training_have_an_effect_or_are_refused(spec: str) -> None:
    assert main(["check", spec, "--static", "--dtype", "float32"]) == 2
    for option in ("--samples", "--seed", "--threads"):
        assert main(["check", spec, "--static", option, "3"]) == 2
    assert main(["check", spec, "--static", "--device", "cpu"]) == 2
    assert main(["check", spec, "--transients", "--device", "cpu"]) == 2
    assert main(["check", spec, "--device", "abacus"]) == 2
    assert main(["check", spec, "--dtype", "float8"]) == 2


def test_static_takes_several_files(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.ffe"
    bad.write_text(SMALL.replace("linear(6)", "linear(7)"))
    line = ["check", "--static", str(bad), "absent.ffe", spec]
    assert main(line) == 2
    out, err = capsys.readouterr()
    assert out == f"{spec}: ok\n" and "FFE2004" in err and "absent.ffe does not exist" in err
    assert main([*line, "--json"]) == 2
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is False and "absent.ffe" in result["error"]
    assert [d["file"] for d in result["diagnostics"]] == [str(bad)]
    assert main(["check", spec, spec, "--static", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert main(["check", spec, spec]) == 2
    assert "2 specs are given" in capsys.readouterr().err


def test_static_computes_nothing(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", spec, "--static"]) == 0
    assert capsys.readouterr().out == f"{spec}: ok\n"
    assert main(["check", spec, "--static", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == {
        "ok": True,
        "data": None,
        "constructs": [],
        "gradients": [],
        "differences": [],
        "beta_sweep": [],
        "relaxation": [],
        "diagnostics": [],
    }


@pytest.mark.parametrize("options", [[], ["--static"]])
def test_an_invalid_spec_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    path = tmp_path / "bad.ffe"
    path.write_text(SMALL.replace("tanh(0.5)", "tahn(0.5)"), encoding="utf-8")
    assert main(["check", str(path), *options]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "FFE1005" in err and "2 errors" in err
    assert main(["check", str(path), *options, "--json"]) == 2
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is False
    assert [(d["code"], d["line"]) for d in result["diagnostics"]] == [
        ("FFE1005", 8),
        ("FFE1005", 9),
    ]


def test_sarif(spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", spec, "--static", "--sarif"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["results"] == []
    for old, new, code in [("tanh", "tahn", "FFE1005"), ("loss =", "loss", "FFE0001")]:
        path = tmp_path / "bad.ffe"
        path.write_text(SMALL.replace(old, new, 1), encoding="utf-8")
        assert main(["check", str(path), "--sarif"]) == 2
        out, err = capsys.readouterr()
        (run,) = json.loads(out)["runs"]
        assert [result["ruleId"] for result in run["results"]] == [code]
        assert err == ""


def test_sarif_of_several_specs(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.ffe"
    bad.write_text(SMALL.replace("tanh", "tahn", 1), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(bad.read_bytes())))
    absent = str(tmp_path / "absent.ffe")
    assert main(["check", "--static", "--sarif", spec, str(bad), "-", absent]) == 2
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert [p["artifactLocation"]["uri"] for p in places] == [bad.as_uri(), "%3Cstdin%3E"]
    assert places[0]["region"] == places[1]["region"]
    assert not run["invocations"][0]["executionSuccessful"]


def test_sarif_of_what_was_measured(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, module=detached_module)
    assert main(["check", spec, "--sarif"]) == 1
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert {result["ruleId"] for result in run["results"]} == {"FFE4004"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json", "--sarif"],
        ["--set", "width=3"],
        ["--set", "width"],
        ["--samples", "1"],
        ["--bogus"],
    ],
)
def test_wrong_options_end_with_2(
    spec: str, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["check", spec, *arguments]) == 2
    out, err = capsys.readouterr()
    assert ("--json" in arguments) == bool(out) and err and "Traceback" not in err


def test_a_missing_file_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "nowhere.ffe", "--json"]) == 2
    assert "nowhere.ffe does not exist" in capsys.readouterr().err


def test_transients_are_printed_and_recorded(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "t.h5"
    options = ["--transients", "--samples", "2", "--threads", "1", "--sweeps", "4"]
    assert main(["check", spec, *options, "--beta", "0.001", "--out", str(out)]) == 0
    printed, err = capsys.readouterr()
    assert "2 samples of random" in printed and "b.s1_s2.linear.weight" in printed
    assert "WRONG" not in printed and "Traceback" not in err
    record = read(out)
    assert record["transients"]["sweep"].tolist() == [0, 1, 2, 3, 4]
    assert record["transients"]["beta"].tolist() == [0.001]
    assert main(["check", spec, *options, "--dtype", "float32", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is True and result["blocks"][0]["sweeps"] == 4
    row = result["parameters"][0]
    assert row["parameter"] == "b.u.linear.weight" and row["cosine"][0] is None
    assert len(row["norm"]) == 5 and row["cosine"][4] > 0.99


def test_transients_of_a_faulty_spec_are_one_object_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.ffe"
    path.write_text(SMALL.replace("tanh(0.5)", "tahn(0.5)"), encoding="utf-8")
    assert main(["check", str(path), "--transients", "--json"]) == 2
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is False and result["parameters"] == []
    assert {d["code"] for d in result["diagnostics"]} == {"FFE1005"}


def test_an_order_that_is_not_mirrored_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.ffe"
    order = "  relax nudged { order = asynchronous }\n  block b {"
    path.write_text(SMALL.replace("  block b {", order), encoding="utf-8")
    assert main(["check", str(path), "--transients"]) == 0
    assert "note: block b: its nudged phase is not its free phase" in capsys.readouterr().err


def test_transients_on_a_device_say_what_it_acts_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "device.ffe"
    device = "hardware h { weights = array(mismatch=0.1) }\nmodel"
    text = SMALL.replace("ffe 1.0", "ffe 1.1").replace("model", device, 1)
    path.write_text(text.replace("energy hopfield", "energy hopfield on h"), encoding="utf-8")
    assert main(["check", str(path), "--transients"]) == 0
    told = capsys.readouterr().err
    assert "note: both gradients of b are at the weights that the device holds" in told


def test_transients_of_a_diverging_block_end_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wild.ffe"
    text = SMALL.replace("tanh(0.5)", "identity").replace(
        "  block", "  init normal(std=9)\n  block"
    )
    path.write_text(text.replace("  init", "  relax free { sweeps = 400 }\n  init"))
    assert main(["check", str(path), "--transients"]) == 1
    assert "the free phase of b diverges" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "t.h5"], "--out is an option of --transients"),
        (["--data-dir", "."], "has no train section"),
        (["--beta", "0.1"], "--beta is an option of --transients"),
        (["--sweeps", "3"], "--sweeps is an option of --transients"),
        (["--transients", "--static"], "exclude each other"),
        (["--transients", "--sarif"], "nothing for --sarif"),
        (["--transients", "--beta", "-1"], "not a positive number"),
        (["--transients", "--beta", "nan"], "not a positive number"),
        (["--transients", "--dtype", "float16"], "unknown dtype 'float16'"),
        (["--transients", "--out", "t.txt"], "not named *.h5"),
        (["--transients", "--out", "nowhere/t.h5"], "there is no folder nowhere"),
        (["--transients", "--data-dir", "."], "has no train section"),
        (["--transients", "--sweeps", "0"], "sweeps"),
    ],
)
def test_options_that_make_no_sense_end_with_2(
    spec: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["check", spec, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and "Traceback" not in err
