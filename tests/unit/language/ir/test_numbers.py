"""The numbers of the language: those that float32 can compute with, and nothing rounded to 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffebm_dsl import InputError, SourceFile, SpecError, compile_spec
from ffebm_dsl.language.interchange.document import read_yaml
from ffebm_dsl.language.syntax import read_source

SPEC = read_source(Path(__file__).parents[4] / "specs" / "small" / "smallest.ffe")
TOO_LARGE = ("1.01e30", "1e300", "1e999", "9" * 500 + ".0", "1e20 * 1e20", "2147483648")
TOO_SMALL = ("9.9e-31", "1e-320", "1e-400", "0.0000001e-9999", "1e-20 * 1e-20")


def diagnosed(value: str) -> str:
    with pytest.raises(SpecError) as caught:
        compile_spec(SPEC, {"gradient.beta": value})
    (found,) = caught.value.diagnostics
    assert found.code == "FFE1012"
    return found.message


@pytest.mark.parametrize("value", TOO_LARGE)
def test_a_number_beyond_the_range_is_an_error(value: str) -> None:
    assert diagnosed(value) == "this number is too large"


@pytest.mark.parametrize("value", TOO_SMALL)
def test_a_number_near_0_is_an_error_not_0(value: str) -> None:
    assert diagnosed(value) == "this number is too small"


@pytest.mark.parametrize(
    ("value", "read"),
    [("1e30", 1e30), ("1e-30", 1e-30), ("0e-999", 0.0), ("0.00", 0.0), ("-0.0e5", 0.0), ("0", 0.0)],
)
def test_numbers_of_the_range_and_0_are_read(value: str, read: float) -> None:
    compiled = compile_spec(SPEC, {"optimizer.weight_decay": value})
    assert compiled.spec.train is not None
    assert compiled.spec.train.optimizer.arguments["weight_decay"] == read
    assert read_yaml(SourceFile("a.yaml", f"a: {value}")).data == {"a": read}


@pytest.mark.parametrize("value", ["1.01e30", "1e300", "1e999", "9.9e-31", "1e-320", "1e-400"])
def test_documents_have_the_same_range(value: str) -> None:
    with pytest.raises(InputError, match=r"a\.yaml:1: /a: this number is too (large|small)"):
        read_yaml(SourceFile("a.yaml", f"a: {value}"))
