"""The examples on the pages of diagnostic codes."""

from __future__ import annotations

import re
from typing import NamedTuple

from ffebm_dsl.language.diagnostics.diagnostic import CODES

MEASURED = frozenset(
    {
        *("FFE4004", "FFE4005", "FFE4006", "FFE4007"),
        *("FFEW008", "FFEW009", "FFEW010", "FFEW015", "FFEW017"),
    }
)
"""Codes that no text shows by itself: the gradient check finds them in the built network."""


_EXAMPLE = re.compile(
    r"^## (?P<title>Failing|Corrected)\n+```(?P<form>ffe|python)\n(?P<text>.*?)^```$", re.M | re.S
)


class Example(NamedTuple):
    """A spec, or a program that prints what is reported; ``form`` is ffe or python."""

    form: str
    text: str


def examples(code: str) -> dict[str, Example]:
    """The examples of a page by heading: ``Failing`` causes the code, ``Corrected`` does not."""
    found = _EXAMPLE.finditer(CODES.page(code))
    return {match["title"]: Example(match["form"], match["text"]) for match in found}
