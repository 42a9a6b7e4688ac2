"""`check` on devices: each knob alone, all together, and AEP beside EP."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
import torch

from ffebm_dsl.cli.check_tables import _devices
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.tools.checking import CheckSettings, check
from ffebm_dsl.tools.checking.check_report import CheckReport
from ffebm_dsl.tools.checking.devices import DeviceRow, Knob, _row, knobs

TEXT = """ffe 1.1
hardware h {{
  {weights}
  noise   = [read(0.01)]
  updates = adc(8)
}}
model m {{
  input  x: vector(4)
  target y: label(2)
  relax free   {{ sweeps = 60  tolerance = 0 }}
  relax nudged {{ sweeps = 40 }}
  gradient {gradient}(beta=0.1)
  block b {{
    feedforward u = x |> linear(5)
    energy hopfield on h {{
      layer s1: [5] tanh
      layer s2: [3] tanh
      u  ->  s1
      s1 <-> s2 : linear()
    }}
    out = s2
  }}
  readout logits = b |> linear(2)
  loss = cross_entropy(logits, y)
}}
"""


def compiled(
    weights: str = "weights = array(mismatch=0.1, transpose_mismatch=0.3)", gradient: str = "ep"
) -> SpecIR:
    text = TEXT.format(weights=weights, gradient=gradient)
    return compile_spec(SourceFile("a.ffe", text)).spec


@pytest.fixture(scope="module")
def report() -> CheckReport:
    return check(compiled(), CheckSettings(directions=1))


def figures(report: CheckReport, knob: str, estimator: str = "", tensor: str = "") -> DeviceRow:
    (row,) = [
        r for r in report.devices if (r.knob, r.estimator, r.tensor) == (knob, estimator, tensor)
    ]
    return row


def test_every_knob_is_tried_alone_and_with_all_others(report: CheckReport) -> None:
    assert list(dict.fromkeys((row.knob, row.estimator) for row in report.devices)) == [
        ("ideal", ""),
        ("weights array(mismatch=0.1)", ""),
        ("weights array(transpose_mismatch=0.3)", ""),
        ("weights array(transpose_mismatch=0.3)", "aep"),
        ("weights array(mismatch=0.1, transpose_mismatch=0.3)", ""),
        ("weights array(mismatch=0.1, transpose_mismatch=0.3)", "aep"),
        ("noise read(0.01)", ""),
        ("updates adc(8)", ""),
        ("all", ""),
        ("all", "aep"),
    ]
    tensors = {row.tensor for row in report.devices if row.knob == "all"}
    assert {"", "b.input(x)", "b.u.linear.weight", "b.s1_s2.linear.weight"} <= tensors


def test_what_is_ideal_is_ideal_and_what_is_static_has_no_spread_of_noise(
    report: CheckReport,
) -> None:
    ideal = figures(report, "ideal")
    assert ideal.cosine > 0.9999 and ideal.bias < 0.01 and ideal.spread < 1e-9
    assert figures(report, "updates adc(8)").spread < 1e-9
    assert figures(report, "noise read(0.01)").spread > 0.01
    assert figures(report, "all").bias > ideal.bias


def test_aep_is_nearer_where_the_ways_of_a_coupling_differ(report: CheckReport) -> None:
    knob = "weights array(transpose_mismatch=0.3)"
    plain, other = figures(report, knob), figures(report, knob, "aep")
    assert other.cosine > plain.cosine and other.spread < plain.spread


def test_json_has_what_the_table_has(report: CheckReport) -> None:
    rows = cast("list[dict[str, object]]", report.to_dict()["devices"])
    assert len(rows) == len(report.devices)
    assert set(rows[0]) == {"knob", "estimator", "tensor", "cosine", "bias", "spread"}


def test_ep_is_beside_aep_too_and_nothing_is_where_the_ways_are_one() -> None:
    from ffebm_dsl.tools.checking.devices import _beside

    def beside(spec: SpecIR) -> list[str]:
        return [other.other for other in _beside(spec, knobs(spec)[-1])]

    assert beside(compiled()) == ["aep"]
    assert beside(compiled(gradient="aep")) == ["ep"]
    assert beside(compiled("weights = array(mismatch=0.1)")) == []


def test_cosine_bias_and_spread_by_hand() -> None:
    """Draws (1, 1) and (1, -1) of (2, 0): their mean is half of it, each is 1 off the mean."""
    draws = [torch.tensor([1.0, 1.0]), torch.tensor([1.0, -1.0])]
    row = _row(Knob("k", ()), "t", draws, torch.tensor([2.0, 0.0]))
    assert row.cosine == pytest.approx(2**-0.5)
    assert (row.bias, row.spread) == pytest.approx((0.5, 0.5))


def test_the_tables() -> None:
    rows = [
        DeviceRow("ideal", "", "", 1.0, 5e-4, 0.0),
        DeviceRow("weights array(transpose_mismatch)", "", "", 0.9873, 0.059, 0.16),
        DeviceRow("weights array(transpose_mismatch)", "aep", "", 0.9964, 0.043, 0.079),
        DeviceRow("all", "", "b.u.linear.weight", 0.9, 0.1, 0.2),
        DeviceRow("all", "", "", 0.95, 0.08, 0.2),
        DeviceRow("all", "aep", "b.u.linear.weight", 0.92, 0.1, 0.2),
        DeviceRow("all", "aep", "", 0.96, 0.07, 0.2),
    ]
    said = "".join(_devices(cast("CheckReport", SimpleNamespace(devices=rows))))
    assert said == (
        "\nDevices: training's gradients in float64 against the converged ones on ideal hardware,\n"
        "each imperfection alone and all together\n"
        "knob                                       cosine    bias     spread over draws\n"
        "ideal                                      1.000000  5.0e-04  0.0e+00\n"
        "weights array(transpose_mismatch)          0.987300  5.9e-02  1.6e-01\n"
        "weights array(transpose_mismatch), by aep  0.996400  4.3e-02  7.9e-02\n"
        "all                                        0.950000  8.0e-02  2.0e-01\n"
        "all, by aep                                0.960000  7.0e-02  2.0e-01\n"
        "\n"
        "All together, by tensor\n"
        "tensor             cosine    bias     spread over draws\n"
        "b.u.linear.weight  0.900000  1.0e-01  2.0e-01\n"
    )
