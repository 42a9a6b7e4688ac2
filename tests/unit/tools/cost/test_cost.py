"""`ffebm cost`, compared with counts by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ffebm_dsl.build import build
from ffebm_dsl.cli.main import main
from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import BlockIR, SpecIR
from ffebm_dsl.tools.benchmarking.contraction import contraction, settling
from ffebm_dsl.tools.cost.account import Assumptions, BlockAccount, Entry, SpecCost, cost
from ffebm_dsl.tools.cost.crossover import Cheapest, crossovers
from ffebm_dsl.tools.cost.prices import adc_survey, bundled, load_prices, schema

TEXT = """ffe 1.1
hardware h { drives = dac(8)  outputs = adc(6)  cotangents = dac(8)  updates = adc(7) }
hardware g { drives = dac(8)  outputs = adc(6)  cotangents = dac(8) }
model m {
  input  x: vector(20)
  target y: label(3)
  relax free   { sweeps = 30  tolerance = 0 }
  relax nudged { sweeps = 12 }
  gradient ep(estimator=centered)
  block b1 {
    feedforward u = x |> linear(10)
    energy hopfield on h {
      layer s1: [10] hard_sigmoid
      layer s2: [6]  hard_sigmoid
      u  ->  s1
      s1 <-> s2 : linear()
    }
    out = s2
  }
  block b2 {
    energy hopfield on g {
      layer s1: [8] hard_sigmoid
      layer s2: [4] identity
      b1 ->  s1 : linear()
      s1 <-> s2 : linear()
    }
    out = s2
  }
  readout logits = b2 |> linear(3)
  loss = cross_entropy(logits, y)
}
"""
PRICES = "title: round numbers\nprices:\n" + "".join(
    f"- {{action: {action}, unit: a, {bits}joules: {joules}, seconds: {seconds}, lanes: {lanes}, "
    'node: 28, source: "by hand, an example"}\n'
    for action, bits, joules, seconds, lanes in (
        ("digital_mac", "", 1.0, 1.0, 10),
        ("digital_update", "", 10.0, 2.0, 1),
        ("analog_mac", "", 0.01, 0, "all"),
        ("sweep", "", 0.1, 3.0, "all"),
        ("write", "", 5.0, 7.0, "all"),
        ("dac", "bits: 8, ", 2.0, 1.0, "all"),
        ("adc", "bits: 6, ", 3.0, 4.0, 2),
        ("adc", "bits: 7, ", 4.0, 5.0, 2),
    )
)


def compiled(text: str = TEXT) -> SpecIR:
    return compile_spec(SourceFile("a.ffe", text)).spec


@pytest.fixture
def prices(tmp_path: Path) -> str:
    path = tmp_path / "prices.yaml"
    path.write_text(PRICES)
    return str(path)


def by_hand(entries: tuple[Entry, ...]) -> dict[str, tuple[float, float, float]]:
    """Count, joules and seconds by action and bits."""
    return {
        e.action + (str(e.bits) if e.bits else ""): (e.count, e.joules, e.seconds) for e in entries
    }


def test_two_blocks_by_hand(prices: str) -> None:
    found = cost(compiled(), load_prices(prices), Assumptions(batch=5))
    maps, b1, b2 = found.accounts
    # The readout, 4 numbers to 3: 12 products, 15 weights with the biases.
    assert by_hand(maps.inference) == {"digital_mac": (12, 12.0, pytest.approx(1.2))}
    assert by_hand(maps.step) == {
        "digital_mac": (12 * 3 * 5, 180.0, pytest.approx(18.0)),
        "digital_update": (15, 150.0, 30.0),
    }
    # b1: a map 20 -> 10, a coupling 10 x 6 used both ways in each of 30 sweeps over 16 units.
    assert by_hand(b1.inference) == {
        "digital_mac": (200, 200.0, pytest.approx(20.0)),
        "dac8": (10, 20.0, 1.0),
        "analog_mac": (30 * 120, pytest.approx(36.0), 0.0),
        "sweep": (30 * 16, pytest.approx(48.0), 90.0),
        "adc6": (6, 18.0, 12.0),
    }
    # Two nudged phases of 12 sweeps: 6 cotangents and 10 drives enter each, and the update sees
    # all 16 states of both; the contrast is 60 products for each.
    step = by_hand(b1.step)
    assert step["digital_mac"] == (
        5 * (3 * 200 + 2 * 60),
        pytest.approx(5 * 720.0),
        pytest.approx(360.0),
    )
    assert step["digital_update"] == (210, 2100.0, 420.0)
    assert step["dac8"] == (5 * (10 + 2 * 6 + 2 * 10), 5 * 84.0, pytest.approx(5 * (1 + 2 + 2)))
    assert step["analog_mac"] == (5 * (30 + 24) * 120, pytest.approx(5 * 64.8), 0.0)
    assert step["sweep"] == (5 * 54 * 16, pytest.approx(5 * 86.4), pytest.approx(5 * 162.0))
    assert step["adc6"] == (5 * 6, 5 * 18.0, 5 * 12.0)
    assert step["adc7"] == (5 * 32, 5 * 128.0, 5 * 80.0)
    assert step["write"] == (66, 330.0, 7.0)
    # b2: a drive of 6 numbers through 6 x 8 cells once a phase, a coupling 8 x 4. Its update is
    # analog; what the map before it needs, 6 numbers at the port, leaves in each nudged phase.
    assert by_hand(b2.inference) == {
        "dac8": (6, 12.0, 1.0),
        "analog_mac": (48 + 30 * 64, pytest.approx(19.68), 0.0),
        "sweep": (30 * 12, pytest.approx(36.0), 90.0),
        "adc6": (4, 12.0, 8.0),
    }
    step = by_hand(b2.step)
    assert step["adc6"] == (5 * (4 + 2 * 6), 5 * 48.0, 5 * (8.0 + 24.0))
    assert step["analog_mac"][0] == 5 * (48 + 30 * 64 + 2 * (48 + 12 * 64))
    assert step["write"] == (8 * 7 + 4 * 9, 460.0, 7.0)
    # All digital: the same products, and no conversions.
    products = 12 + 200 + 30 * 120 + 48 + 30 * 64
    assert by_hand(found.digital_inference)["digital_mac"][0] == products
    back = 2 * 12 * 120 + 2 * 60 + 2 * (48 + 12 * 64) + 2 * (48 + 32)
    trained = 3 * 212 + 30 * 120 + 48 + 30 * 64 + back
    assert by_hand(found.digital_step)["digital_mac"][0] == 5 * trained
    assert by_hand(found.digital_step)["digital_update"][0] == 15 + 210 + 66 + 92


def test_a_readout_of_the_loss_alone_is_used_in_training(prices: str) -> None:
    text = TEXT.replace("loss = cross", "readout aux = b1 |> linear(3)\n  loss = cross").replace(
        "(logits, y)", "(logits, y) + 0.5 * cross_entropy(aux, y)"
    )
    one, two = (cost(compiled(t), load_prices(prices), Assumptions(batch=5)) for t in (TEXT, text))
    assert two.accounts[0].inference == one.accounts[0].inference
    assert two.digital_inference == one.digital_inference
    # 6 numbers to 3: 18 products, 21 weights.
    step = by_hand(two.accounts[0].step)
    assert step["digital_mac"][0] == 5 * 3 * (12 + 18) and step["digital_update"][0] == 15 + 21
    more = by_hand(two.digital_step)["digital_mac"][0] - by_hand(one.digital_step)["digital_mac"][0]
    assert more == 5 * 3 * 18


def test_the_first_pass_is_one_of_the_free_phase(prices: str) -> None:
    start = TEXT.replace("tolerance = 0 }", "tolerance = 0  start = feedforward }")
    one, two = (
        by_hand(cost(compiled(t), load_prices(prices), Assumptions(batch=5)).accounts[1].step)
        for t in (TEXT, start)
    )
    assert two["analog_mac"][0] - one["analog_mac"][0] == 5 * 60


def test_every_array_of_a_tied_weight_is_written(prices: str) -> None:
    coupling = "s1 <-> s2 : linear()"
    more = TEXT.replace(coupling, f"{coupling}  {coupling} SETTING", 1)
    untied, tied = (
        cost(compiled(more.replace("SETTING", setting)), load_prices(prices), Assumptions(batch=5))
        for setting in ("", '{ tied_to = "s1_s2" }')
    )
    assert by_hand(tied.accounts[1].step) == by_hand(untied.accounts[1].step)
    assert by_hand(tied.accounts[1].step)["write"][0] == 2 * 66
    # A computer has one copy of it.
    updates = [by_hand(found.digital_step)["digital_update"][0] for found in (untied, tied)]
    assert updates[0] - updates[1] == 66


def test_the_update_of_aep_sees_the_free_state_too(prices: str) -> None:
    text = TEXT.replace("gradient ep(", "gradient aep(")
    found = cost(compiled(text), load_prices(prices), Assumptions(batch=5))
    assert by_hand(found.accounts[1].step)["adc7"] == (5 * 48, 5 * 192.0, 5 * 120.0)


def with_sweeps(sweeps: int) -> SpecIR:
    spec = compiled()
    stages = tuple(
        replace(s, free=replace(s.free, sweeps=sweeps)) if isinstance(s, BlockIR) else s
        for s in spec.model.stages
    )
    return replace(spec, model=replace(spec.model, stages=stages))


def test_it_is_linear_in_sweeps() -> None:
    prices = load_prices("published")
    totals = [
        sum(e.joules for e in cost(with_sweeps(n), prices, Assumptions()).entries("inference"))
        for n in (10, 20, 30)
    ]
    assert totals[2] - totals[1] == pytest.approx(totals[1] - totals[0], rel=1e-9)
    assert totals[1] > totals[0]
    measured = cost(compiled(), prices, Assumptions(sweeps={"b1": 20.0, "b2": 20.0}))
    assert sum(e.joules for e in measured.entries("inference")) == pytest.approx(totals[1])


SURVEY_INTERCEPTS = (26.0496, 1.88004, -2.82913, -1.47020)


@pytest.mark.parametrize("bits", range(4, 13))
@pytest.mark.parametrize("rate", [1e6, 1e8, 5e9])
@pytest.mark.parametrize("node", [32.0, 65.0])
def test_the_survey_by_another_transcription(bits: int, rate: float, node: float) -> None:
    a, b, c, d = SURVEY_INTERCEPTS
    walden = 128.3068 + 3.22051 * math.ceil(bits)
    fast = 213.7807 - 2.87190 * math.log(rate)
    picojoules = math.e**a * node**b * bits**c * math.e**d / 2
    picojoules /= 10 ** ((min(walden, fast) - (6.02 * bits + 1.76)) / 10)
    assert adc_survey(bits, node, rate) * 1e12 == pytest.approx(picojoules, rel=1e-12)


def test_figures_that_are_known() -> None:
    assert adc_survey(8, 32, 1e8) * 1e12 == pytest.approx(1.71, abs=0.005)
    assert load_prices("isaac").price("adc", 8).energy(8) == 1.67e-12
    known = {4: 0.92, 6: 1.06, 10: 3.3, 12: 29}
    for bits, picojoules in known.items():
        assert adc_survey(bits, 32, 1e8) * 1e12 == pytest.approx(picojoules, rel=0.02)


@pytest.mark.parametrize("name", bundled())
def test_bundled_lists_have_a_source_for_every_row(name: str) -> None:
    rows = load_prices(name).rows
    assert all(len(row.source) > 8 and row.node > 0 for row in rows)
    assert {row.action for row in rows} >= {"digital_mac", "adc", "dac", "write", "sweep"}


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("- {action: write", "- {action: wrte", "'wrte' is not one of"),
        ("joules: 5.0", "jules: 5.0", "Additional properties are not allowed"),
        ('source: "by hand, an example"', 'source: ""', "too short"),
        ("lanes: 10", "lanes: some", "is not valid under any of the given schemas"),
        ("joules: 0.01", "joules: -1", "less than the minimum"),
    ],
)
def test_a_faulty_list_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(PRICES.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_prices(str(path))
    assert said in caught.value.message


def test_an_action_without_a_price_is_an_error(tmp_path: Path, prices: str) -> None:
    lines = [line for line in PRICES.splitlines() if "action: write" not in line]
    path = tmp_path / "p.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match="no price for `write`"):
        cost(compiled(), load_prices(str(path)), Assumptions())
    with pytest.raises(InputError, match="no price for `adc` of 5 bits"):
        cost(compiled(TEXT.replace("adc(6)", "adc(5)")), load_prices(prices), Assumptions())
    with pytest.raises(InputError, match="no price for `adc` of 3 bits: the survey"):
        text = TEXT.replace("adc(6)", "adc(3)")
        cost(compiled(text), load_prices("published"), Assumptions())
    plain = TEXT.replace(" on h", "").replace(" on g", "")
    with pytest.raises(InputError, match="block `b1` converts its drives at no stated resolution"):
        cost(compiled(plain), load_prices(prices), Assumptions())
    assert cost(compiled(plain), load_prices("published"), Assumptions(bits=8)).accounts
    with pytest.raises(InputError, match="no list of prices is called `publshed`"):
        load_prices("publshed")


def priced(joules: float, conversions: float, name: str) -> SpecCost:
    """A network of so many joules in sweeps and in conversions."""
    entries = (Entry("sweep", 1, joules, 0.0), Entry("adc", 1, conversions, 0.0, 8))
    return SpecCost(name, 1, {}, (BlockAccount("b", entries, entries),), (), ())


def test_dearer_conversions_make_larger_blocks_the_cheapest() -> None:
    """Of lines ``rest + f converters`` the lower envelope, by hand."""
    many, some, one = priced(10, 4, "many"), priced(16, 1, "some"), priced(20, 0.5, "one")
    never = priced(30, 2, "never")
    assert crossovers([one, never, many, some], "step", "joules") == [
        Cheapest("many", 2.0),
        Cheapest("some", 8.0),
        Cheapest("one", None),
    ]
    assert crossovers([many], "step", "joules") == [Cheapest("many", None)]
    # Alike at a price of 0, the one that converts less is the cheaper.
    assert crossovers([priced(10, 3, "a"), priced(10, 2, "b")], "step", "joules") == [
        Cheapest("b", None)
    ]


@given(st.lists(st.tuples(*[st.floats(1e-3, 1e3)] * 2), min_size=1, max_size=6), st.floats(0, 1e3))
def test_what_is_said_to_be_cheapest_is(lines: list[tuple[float, float]], factor: float) -> None:
    costs = {str(k): line for k, line in enumerate(lines)}
    found = crossovers([priced(*line, name) for name, line in costs.items()], "step", "joules")
    (name,) = [one.name for one in found if one.until is None or factor < one.until][:1]
    totals = {name: rest + factor * converters for name, (rest, converters) in costs.items()}
    assert totals[name] == pytest.approx(min(totals.values()), rel=1e-9)


def test_what_settles_is_counted_in_every_phase() -> None:
    listed = load_prices("published")
    settled = cost(compiled(), listed, Assumptions(sweeps={"b1": 9.0, "b2": 7.0}))
    assert settled.sweeps == {"b1": 9.0, "b2": 7.0}
    assert cost(compiled(), listed, Assumptions()).sweeps == {"b1": 30, "b2": 30}
    cells = by_hand(settled.accounts[1].step)["analog_mac"][0]
    assert cells == (9 + 2 * 9) * 120


def test_the_rate_of_a_chain_of_two_is_that_of_its_matrix() -> None:
    """Identity layers: in a sweep of one layer after the other a residual shrinks by W^T W."""
    text = TEXT.replace("hard_sigmoid", "identity")
    network = build(compiled(text), dtype=torch.float64)
    weight = network.blocks[0].core.energy.couplings["s1_s2"].ops["linear"].weight.detach()
    largest = float(torch.linalg.eigvalsh(weight @ weight.T)[-1])
    assert 0 < largest < 1
    found = contraction(compiled(text))["b1"]
    assert found == pytest.approx(largest, rel=0.05)
    expected = math.log(1e3) / (1 - found)
    assert settling(compiled(text), 1e-3)["b1"] == pytest.approx(expected)
    # The inverse of this tolerance is beyond the range of a float.
    assert math.isfinite(settling(compiled(text), 1e-320)["b1"])


def test_what_does_not_contract_is_told() -> None:
    text = TEXT.replace("hard_sigmoid", "identity").replace(
        "gradient ep", "init normal(3.0)\n  gradient ep"
    )
    with pytest.raises(InputError, match="block `b1` does not contract"):
        settling(compiled(text), 1e-3)


def test_the_command(tmp_path: Path, prices: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.ffe").write_text(TEXT)
    (tmp_path / "b.ffe").write_text(TEXT.replace("sweeps = 30", "sweeps = 10"))
    files = [str(tmp_path / name) for name in ("a.ffe", "b.ffe")]
    assert main(["cost", files[0], "--prices", prices, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    (spec,) = record["specs"]
    assert spec["inference"]["conversions"] == 26
    assert spec["inference"]["hybrid"]["joules"] == pytest.approx(
        12 + 200 + 20 + 36 + 48 + 18 + 12 + 19.68 + 36 + 12
    )
    assert main(["cost", *files, "--prices", prices, "--settle", "1e-3"]) == 0
    said = capsys.readouterr().out
    assert "all digital" in said and "by hand, an example" in said
    assert "cheapest, as a conversion comes to cost more\ninference, a sample, energy: " in said
    assert main(["cost", files[0], "--prices", prices, "--settle", "2"]) == 2
    assert "--settle 2: not between 0 and 1" in capsys.readouterr().err
    assert main(["cost", files[0], "--prices", "nowhere"]) == 2
