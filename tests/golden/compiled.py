"""The specs of these folders and their compilation, each compiled once."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from ffebm_dsl.language.diagnostics import Diagnostic, SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec
from tests.tables import restored_tables

HERE = Path(__file__).parent
GOOD = sorted((HERE / "good").glob("*.ffe"))
BAD = sorted((HERE / "bad").glob("*.ffe"))


def overrides_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^#! set ([^=\n]+)=(.*)$", text, re.MULTILINE))


@cache
def diagnostics_of(path: Path) -> tuple[Diagnostic, ...]:
    text = path.read_text(encoding="utf-8")
    return diagnostics_in(path.name, text, overrides_of(text))


def diagnostics_in(
    name: str, text: str, overrides: dict[str, str] | None = None
) -> tuple[Diagnostic, ...]:
    # Some are asked for while tests are collected, before any fixture restores the tables.
    with restored_tables():
        try:
            return compile_spec(SourceFile(name, text), overrides).warnings
        except SpecError as fault:
            return fault.diagnostics
