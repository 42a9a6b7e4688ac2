"""Specs as data: the schema, round trips, and diagnostics of faulty documents."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.interchange import load
from ffebm_dsl.language.interchange.document import (
    MOST_TOKENS,
    read_json,
    read_yaml,
    write_json,
    write_yaml,
)
from ffebm_dsl.language.interchange.json_schema import FILE, make_schema_text, schema_text
from ffebm_dsl.language.interchange.load import MAX_FAULTS, compile_document, to_plain, to_text
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.ir.restate import differences
from ffebm_dsl.language.ir.tools.dump import from_json_dict
from ffebm_dsl.language.syntax import format_source
from tests.golden.test_golden import overrides_of
from tests.unit.language.interchange.specs import BASE, specs

ROOT = Path(__file__).parents[4]
LIBRARY = sorted((ROOT / "specs").rglob("*.ffe"))
GOOD = sorted((ROOT / "tests/golden/good").glob("*.ffe"))
VALIDATOR = Draft202012Validator(json.loads(schema_text()))
YAML = write_yaml(to_plain(BASE))
PROPERTY = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_the_schema_is_current(update_golden: bool) -> None:
    """``pytest tests/unit/language/interchange --update-golden`` writes it anew."""
    if update_golden:
        (ROOT / "grammar" / FILE).write_text(make_schema_text(), encoding="utf-8")
    assert make_schema_text() == schema_text()


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json.loads(schema_text()))


def round_trip(spec: SpecIR) -> None:
    """Through text, YAML and JSON, each read back to the same spec."""
    text = to_text(spec)
    source = SourceFile("spec.ffe", text)
    assert format_source(source) == text
    assert compile_spec(source).spec == spec
    data = to_plain(spec)
    assert from_json_dict(data) == spec
    yaml = read_yaml(SourceFile("spec.yaml", write_yaml(data)))
    as_json = read_json(SourceFile("spec.json", write_json(data)))
    assert yaml.data == as_json.data == data
    assert set(yaml.offsets) == set(as_json.offsets)
    assert compile_document(yaml).spec == spec


def resolved(path: Path) -> SpecIR:
    text = path.read_text(encoding="utf-8")
    return replace(
        compile_spec(SourceFile(path.name, text), overrides_of(text)).spec, parameters={}
    )


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_every_golden_spec(path: Path) -> None:
    round_trip(resolved(path))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_every_bundled_spec(path: Path) -> None:
    round_trip(resolved(path))


@PROPERTY
@given(specs())
def test_random_specs(spec: SpecIR) -> None:
    round_trip(spec)


def mappings(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        yield data
    for entry in data.values() if isinstance(data, dict) else data:
        if isinstance(entry, dict | list):
            yield from mappings(entry)


def test_no_mapping_takes_an_unknown_key_or_does_without_one() -> None:
    whole = json.loads(write_json(to_plain(BASE)))
    assert VALIDATOR.is_valid(whole)
    for i in range(sum(1 for _ in mappings(whole))):
        longer = copy.deepcopy(whole)
        [*mappings(longer)][i]["unknown"] = 1
        assert not VALIDATOR.is_valid(longer)
        for key in [*[*mappings(whole)][i]][:1]:
            shorter = copy.deepcopy(whole)
            del [*mappings(shorter)][i][key]
            assert not VALIDATOR.is_valid(shorter), key


@PROPERTY
@given(st.data())
def test_a_document_with_a_value_changed_compiles_or_is_explained(data: st.DataObject) -> None:
    plain = json.loads(write_json(to_plain(BASE)))
    holder = data.draw(st.sampled_from([*mappings(plain)]))
    if holder:
        junk = st.sampled_from([None, True, -1, 0, 7, 2**40, 1.5, "x", "layer", 'a"', [], [3], {}])
        holder[data.draw(st.sampled_from(sorted(holder)))] = data.draw(junk)
    if data.draw(st.booleans()):
        document = read_yaml(SourceFile("a.yaml", write_yaml(plain)))
    else:
        document = read_json(SourceFile("a.json", write_json(plain)))
    try:
        compile_document(document)
    except InputError as fault:
        assert fault.message.startswith(f"{document.source.name}:")
        assert "\n" not in fault.message


def said_of(old: str, new: str) -> str:
    """What is said of the document with ``old`` replaced, once."""
    assert old in YAML
    with pytest.raises(InputError) as caught:
        compile_document(read_yaml(SourceFile("a.yaml", YAML.replace(old, new, 1))))
    return str(caught.value)


STAGE = "/model/stages/1"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: image", "knd: image", "a.yaml:6: /model/inputs/0/knd: `knd` is no key of this"),
        ("knd: image", "", "did you mean `kind`?"),
        ("name: flatten", "name: flaten", '/model/stages/0/ops/0/name: "flaten" cannot be'),
        ("name: tanh", "name: tan", "did you mean `tanh`?"),
        ("kind: block", "kind: blok", "did you mean `block`?"),
        ("bias: true", "bias: 1", "/bias: true or false is needed, not a whole number"),
        ("sweeps: 100", "sweeps: -1", f"{STAGE}/free/sweeps: -1 is less than the minimum of 0"),
        ("beta: 0.2", "beta: 0", "/gradient/arguments/beta: 0 is less than or equal to"),
        ("order: asynchronous\n", "order: asynchron\n", "did you mean `asynchronous`?"),
        ("name: b1", "name: block", f"{STAGE}/name: `block` is a word of the language"),
        ("name: b1", "name: b 1", f'{STAGE}/name: "b 1" cannot be a name'),
        ("version: '1.1'", "version: 1.1", 'in quotes: "1.1"'),
        ("version: '1.1'", "version: '3.0'", "a.yaml:1: /version:"),
        ("epochs: 1", "epochs: &a 1", ""),
        ("epochs: 1", "epochs: 1\n  epochs: 2", "/train/epochs: `epochs` is given twice"),
        ("epochs: 1", "epochs: !!python/name:os.system 1", "/train/epochs: a value of the kind"),
        ("epochs: 1", "epochs: [[", "not YAML"),
        ("epochs: 1", "epochs: 1e999", "/train/epochs: this number is too large"),
        ("epochs: 1", f"epochs: {'9' * 5000}", "/train/epochs: this is not a number"),
        ("epochs: 1", f"epochs: {'[' * 500}{']' * 500}", "nested too deep"),
        ("source: b1.wide", "source: layer", f"{STAGE.replace('1', '2')}/feedforwards/0: "),
        ("source: b1.wide", "source: b1.wid", "`b1` has no output `wid`"),
        (" shape: [6]", " shape: [7]", f"{STAGE}/"),
        ("out_shape: [5]", "out_shape: [9]", "does not follow from the rest, which gives 5"),
        ("name: s1_s2_2", "name: other", "does not follow from the rest, which gives s1_s2_2"),
    ],
)
def test_a_faulty_document(old: str, new: str, message: str) -> None:
    if message == "":
        anchored = YAML.replace(old, new, 1)
        assert compile_document(read_yaml(SourceFile("a.yaml", anchored))).spec == BASE
        assert "aliases are not read" in _said_of_text(anchored.replace("seed: 0", "seed: *a"))
        return
    if old == "knd: image":
        old, new = "kind: image", old
    assert message in said_of(old, new)


WINDOW = """ffe 1.1
model m {
  input  x: image(1, 8, 8)
  target y: label(10)
  block b {
    feedforward u = x |> conv2d(4, kernel=[3, 5], padding=[1, 2]) |> avg_pool2d(2) |> flatten()
    energy hopfield {
      layer s: [64] hard_sigmoid
      u -> s
    }
    out = s
  }
  readout logits = b |> linear(10)
  loss = cross_entropy(logits, y)
}
train {
  data      = digits(augment=[crop(padding=1)])
  optimizer = adam()
  epochs    = 1
}
"""


def windowed(old: str, new: str) -> SpecIR:
    """The spec of ``WINDOW`` as YAML with ``old`` replaced."""
    yaml = write_yaml(to_plain(compile_spec(SourceFile("m.ffe", WINDOW)).spec))
    assert old in yaml
    return compile_document(read_yaml(SourceFile("a.yaml", yaml.replace(old, new, 1)))).spec


@pytest.mark.parametrize("window", ["{kernel: [2, 2], stride: 2,", "{kernel: 2, stride: [2, 2],"])
def test_a_pair_of_equal_numbers_is_that_number(window: str) -> None:
    assert windowed("{kernel: 2, stride: 2,", window) == windowed("seed: 0", "seed: 0")


@pytest.mark.parametrize(
    ("old", "new", "said", "remedy"),
    [
        (
            "kernel: [3, 5]",
            "kernel: [3]",
            "kernel: a list of 2 is needed, not of 1",
            "one for rows",
        ),
        ("kernel: [3, 5]", "kernel: [3, 5, 1]", "a list of 2 is needed, not of 3", "one for rows"),
        ("kernel: [3, 5]", "kernel: [3, x]", "kernel/1: a whole number is needed, not a text", ""),
        ("kernel: [3, 5]", "kernel: [3, 5.5]", "/1: a whole number is needed, not 5.5", ""),
        ("kernel: [3, 5]", "kernel: [3.0, 5]", "/0: a whole number is needed, not 3.0", ""),
        ("kernel: [3, 5]", "kernel: [0, 5]", "kernel/0: 0 is less than the minimum of 1", ""),
        ("kernel: [3, 5]", "kernel: {}", "kernel: a whole number is needed, not a mapping", ""),
        ("groups: 1", "groups: [1, 1]", "groups: a whole number is needed, not a list", ""),
        ("{padding: 1,", "{padding: [1, 1],", "padding: a whole number is needed, not a list", ""),
        ("epochs: 1", "epochs: 1.0", "/train/epochs: a whole number is needed, not 1.0", ""),
        ("beta: 0.2", "beta: [0.2]", "beta: a number is needed, not a list", ""),
        ("init: inherited", "init: inherit", "did you mean `inherited`?", ""),
        ("init: inherited", "init: {name: zero, arguments: {}}", '/name: "zero" cannot', "`zeros`"),
    ],
)
def test_numbers_and_lists_that_are_not_what_is_needed(
    old: str, new: str, said: str, remedy: str
) -> None:
    with pytest.raises(InputError) as caught:
        windowed(old, new)
    assert said in str(caught.value) and remedy in caught.value.help


def _said_of_text(text: str) -> str:
    with pytest.raises(InputError) as caught:
        compile_document(read_yaml(SourceFile("a.yaml", text)))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.json:1: not JSON"),
        ('{\n "a": 1,\n "a": 2}', "a.json:3: /a: `a` is given twice"),
        ('{"a": 1\n "b": 2}', "a.json:2: not JSON: Expecting ',' delimiter"),
        ('{"a" 1}', "not JSON: Expecting ':' delimiter"),
        ("{a: 1}", "not JSON: Expecting property name enclosed in double quotes"),
        ("[1, 2", "not JSON: Expecting ',' delimiter"),
        ("[] []", "not JSON: Extra data"),
        ('["NaN",\n NaN]', "a.json:2: not JSON: NaN is no number of JSON"),
        ("[-Infinity]", "a.json:1: not JSON: -Infinity is no number of JSON"),
        ('["\\ud800"]', "/0: half of a surrogate pair"),
        ("[1e999]", "/0: this number is too large"),
        ("[" * 1000 + "]" * 1000, "nested too deep"),
        ('["a', "not JSON"),
        ("[]", "a.json:1: /: a mapping is needed, not a list"),
    ],
)
def test_what_is_no_json_document(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        compile_document(read_json(SourceFile("a.json", text)))
    assert message in str(caught.value)


def test_deep_brackets_are_refused_before_what_follows_is_read() -> None:
    """What stands behind them is no YAML, and would be said to be none."""
    with pytest.raises(InputError, match=r"a\.yaml:2: nested too deep"):
        read_yaml(SourceFile("a.yaml", "a:\n" + " [" * 70 + "\n\t%"))
    with pytest.raises(InputError, match="not YAML"):
        read_yaml(SourceFile("a.yaml", "a:\n" + " [" * 60 + "\n\t%"))


def test_more_tokens_than_a_spec_has_are_refused() -> None:
    """An entry of a list is a token, and so is the comma behind it."""
    some = MOST_TOKENS // 2 - 10
    for count, wanted in ((some, "a mapping is needed"), (some + 20, f"more than {MOST_TOKENS}")):
        text = f"[{','.join('1' * count)}]"
        with pytest.raises(InputError, match=wanted):
            compile_document(read_yaml(SourceFile("a.yaml", text)))


def test_many_faults_of_form_are_not_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = ",".join(["{}"] * (MAX_FAULTS * 2))
    text = f'{{"version": "1.0", "train": null, "model": {{"stages": [{stages}]}}}}'
    explained: list[object] = []
    explain = load._explain
    monkeypatch.setattr(load, "_explain", lambda e: explained.append(e) or explain(e))
    with pytest.raises(InputError, match=r"a\.json:1: /model"):
        compile_document(read_json(SourceFile("a.json", text)))
    assert len(explained) == MAX_FAULTS


def test_a_difference_is_found_wherever_it_is() -> None:
    plain = {"a": [1, {"b": 2}], "c/d": "x"}
    assert list(differences(plain, copy.deepcopy(plain), "")) == []
    assert list(differences(plain, {"a": [1, {"b": 3}], "c/d": "x"}, "")) == [("/a/1/b", 2)]
    assert [*differences(plain, {"a": [1], "c/d": "x"}, "")] == [("/a", [1, {"b": 2}])]
    assert list(differences(plain, {"a": [1, {"b": 2}], "c/d": "y"}, "")) == [("/c~1d", "x")]
    assert list(differences({"a": 3}, {"a": [3, 3]}, "")) == []
    for other in ([3], [3, 3, 3], [3, 4]):
        assert list(differences({"a": 3}, {"a": other}, "")) == [("/a", 3)]


@pytest.mark.parametrize(
    "scalar",
    [
        *(f'"\\U{code}"' for code in ("00110000", "FFFFFFFF", "7FFFFFFF", "80000000")),
        *('"\\ud800"', '"\\udfff\\ud800"', '"\\x"', '"\\q"', '"\\u12"', "!!float nan", "!!int 1_0"),
        *("!!float 1e999", "!!int x", "!!bool maybe", "!!binary aGk=", "!!timestamp 2001-01-01"),
    ],
)
@pytest.mark.parametrize("form", ["epochs: {}", "{}: 1"])
def test_no_scalar_is_an_internal_error(scalar: str, form: str) -> None:
    text = "version: '1.1'\n" + form.format(scalar)
    assert _said_of_text(text).startswith("a.yaml:")


@given(st.text(alphabet="\\\"'UuxN0123456789dDfF {}[]:,!&*|>-\n", max_size=24))
def test_any_yaml_and_json_is_read_or_refused(text: str) -> None:
    for read in (read_yaml, read_json):
        for form in ('a: "{}"', "{}"):
            with suppress(InputError):
                read(SourceFile("a", form.replace("{}", text)))


@pytest.mark.parametrize(
    "text",
    [
        '{\t"a":\t[1,\n\t2.5e3, -0, true, null]}',
        '["\\ud83d\\ude00", "\U0001f600", "\\/", "\\u0041\\n"]',
        '["a\u2028 b", " : # ", "- x", "{", "0x1", "1_0"]',
        '{"": 1, "a/b~c": {"NaN": "Infinity"}}',
    ],
)
def test_json_is_read_as_the_library_reads_it(text: str) -> None:
    assert read_json(SourceFile("a.json", text)).data == json.loads(text)
