"""docs/record.md agrees with the schema in the code."""

from __future__ import annotations

from pathlib import Path

from tests.unit.running.records.describe import tables

DOCUMENT = Path(__file__).parents[4] / "docs" / "record.md"


def test_the_tables_are_those_of_the_schema() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    begin, end = "<!-- schema -->\n", "\n<!-- end of schema -->"
    written = text[text.index(begin) + len(begin) : text.index(end)].strip()
    assert written == tables(), "paste what tests/unit/running/records/describe.py prints"
