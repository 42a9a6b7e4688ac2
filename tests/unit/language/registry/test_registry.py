"""Consistency of the registry, and the page that prints it."""

from __future__ import annotations

import re

import pytest

from ffebm_dsl.language.registry import (
    HARDWARE,
    OPS,
    REQUIRED,
    TABLES,
    TRAIN,
    Construct,
    Kind,
    Parameter,
    SameAs,
)

from .reference import PAGE, with_tables

SIGNATURES = [
    pytest.param(signature, id=f"{name}.{signature.name}")
    for name, table in TABLES.items()
    for signature in table.visible().values()
] + [pytest.param(TRAIN, id="train"), pytest.param(HARDWARE, id="hardware")]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_signature_is_sound(signature: Construct) -> None:
    assert signature.doc and len(set(signature.names)) == len(signature.names)
    for parameter in signature.parameters:
        assert parameter.doc
        assert (parameter.kind in (Kind.CALL, Kind.CALLS)) == bool(parameter.table)
        # A word may be in the place of a number or a call.
        worded = (Kind.CHOICE, Kind.INT, Kind.REAL, Kind.CALL)
        assert parameter.choices if parameter.kind is Kind.CHOICE else True
        assert not parameter.choices or parameter.kind in worded
        check_default(signature, parameter)


def check_default(signature: Construct, parameter: Parameter) -> None:
    """A default is a value that could have been written."""
    default = parameter.default
    if default is REQUIRED:
        return
    if isinstance(default, SameAs):
        names = signature.names
        assert names.index(default.parameter) < names.index(parameter.name)
    elif parameter.kind is Kind.CHOICE or default in parameter.choices:
        assert default in parameter.choices
    elif parameter.kind is Kind.CALL:
        entry = TABLES[parameter.table][str(default)]
        assert all(not p.required for p in entry.parameters)
    elif parameter.kind is Kind.BOOL:
        assert isinstance(default, bool)
    elif parameter.kind in (Kind.INT, Kind.PAIR, Kind.REAL):
        assert isinstance(default, float if parameter.kind is Kind.REAL else int)
        assert parameter.bounds.admits(default)
    elif parameter.kind is Kind.REALS:
        assert isinstance(default, tuple) and all(map(parameter.bounds.admits, default))


def test_mapping_tables_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        OPS["new"] = OPS["relu"]  # type: ignore[index]


def test_the_page_has_every_table_as_it_is_now() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == with_tables(text), "run python tests/unit/language/registry/reference.py"


@pytest.mark.parametrize(
    "name", [*sorted(set(TABLES) - {"energies", "inputs", "targets"}), "train"]
)
def test_the_page_has_a_place_for_every_table(name: str) -> None:
    assert f"<!-- table: {name} -->" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*TABLES["inputs"], *TABLES["targets"]])
def test_the_pages_have_every_kind_of_input_and_target(name: str) -> None:
    """Of data too: the shape of the arrays that hold them."""
    for page in (PAGE, PAGE.with_name("data.md")):
        assert re.search(rf"^\|.*`{name}\(", page.read_text(encoding="utf-8"), re.MULTILINE), page
