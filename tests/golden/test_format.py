"""The canonical layout of texts by users, and of every spec in the repository.

In ``format``, ``NAME.in.ffe`` is a text by a user, and ``NAME.ffe`` the output of ``ffebm fmt``;
``pytest --update-golden`` writes the latter. (Texts in ``migrate`` keep their original layout,
which is tested there.)
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.syntax import VERSION, format_source, parse

ROOT = Path(__file__).parents[2]
WRITTEN = sorted((ROOT / "tests/golden/format").glob("*.in.ffe"))
CHECKED_IN = sorted(
    path
    for folder in ("specs", "tests/golden", "tests/oracle", "examples")
    for path in (ROOT / folder).rglob("*.ffe")
    if path not in WRITTEN and "migrate" not in path.parts
)
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"^```ffe ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def formatted(name: str, text: str) -> str:
    return format_source(SourceFile(name, text))


def parses(text: str) -> bool:
    try:
        parse(SourceFile("spec.ffe", text))
    except SpecError:
        return False
    return True


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_what_a_user_wrote(path: Path, update_golden: bool) -> None:
    expected = path.with_name(path.name.replace(".in.", "."))
    text = formatted(path.name, path.read_text(encoding="utf-8"))
    if update_golden:
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CHECKED_IN, ids=lambda path: path.name)
def test_what_is_checked_in_does_not_change(path: Path) -> None:
    """Run ``ffebm fmt`` on a file that fails here. A text without a version gets that line
    and is otherwise as it was; a text that does not parse has no layout."""
    text = path.read_text(encoding="utf-8")
    if not parses(text):
        assert path.parent.name == "bad", "only a faulty golden file may not parse"
        return
    version = "" if parse(SourceFile("spec.ffe", text)).version else f"ffe {VERSION}\n"
    assert formatted(path.name, text) == version + text


def test_most_of_what_is_checked_in_parses() -> None:
    """The test above looks at something."""
    assert sum(parses(path.read_text(encoding="utf-8")) for path in CHECKED_IN) > 80


def whole(kind: str, text: str) -> str:
    """A block of a page as a text of its own: what belongs into a model gets one."""
    if kind == "model":
        return f"ffe 1.0\nmodel m {{\n{textwrap.indent(text, '  ')}}}\n"
    return text if text.startswith("ffe ") else f"ffe 1.0\n{text}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_docs_show_the_canonical_layout(path: Path) -> None:
    for kind, text in BLOCK.findall(path.read_text(encoding="utf-8")):
        if parses(whole(kind, text)):
            assert formatted(path.name, whole(kind, text)) == whole(kind, text)
