"""The pages of the documentation, and the fenced blocks on them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(
    r'^(<!-- numbers vary -->\n)?```(\w+)(?: title="([^"]+)")?\n(.*?)^```$',
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block: its language, the file that it is, its text; whether its numbers vary."""

    language: str
    title: str
    text: str
    varies: bool


def blocks(page: Path) -> list[Block]:
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(language, title, text, bool(mark)) for mark, language, title, text in found]


def commands(page: Path) -> list[str]:
    """Every command line ``ffebm ...`` of a page's blocks, fenced or indented, without prompt."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(r"^(?: {4})?(?:\$ )?(ffebm [a-z]+\b.*)$", text, re.MULTILINE)
