"""The page of each diagnostic code: what it means, an example that fails, and one that does not.

The pages are ``explain/CODE.md`` beside this module. An example is a spec, or, where the code needs
more than a text of a page's length, a Python program that prints the diagnostics.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Literal, NamedTuple

from ffebm_dsl.language.diagnostics.codes import CODES

_EXAMPLE = re.compile(
    r"^## (?P<title>Failing|Mended)\n+```(?P<form>ffe|python)\n(?P<text>.*?)^```$", re.M | re.S
)


class Example(NamedTuple):
    """A spec, or a program that prints what is reported."""

    form: Literal["ffe", "python"]
    text: str


def page(code: str) -> str:
    """The page of ``code``, in Markdown. Raises KeyError for a code that there is not."""
    if code not in CODES:
        raise KeyError(code)
    file = files("ffebm_dsl.language.diagnostics").joinpath("explain", f"{code}.md")
    return file.read_text(encoding="utf-8")


def examples(code: str) -> dict[str, Example]:
    """The examples of a page by heading: ``Failing`` brings the code about, ``Mended`` not."""
    found = _EXAMPLE.finditer(page(code))
    return {match["title"]: Example(_form(match["form"]), match["text"]) for match in found}


def _form(word: str) -> Literal["ffe", "python"]:
    return "python" if word == "python" else "ffe"


def pointer(codes: list[str]) -> str:
    """Where to read more about what was reported, in one line."""
    known = sorted({code for code in codes if code in CODES})
    if not known:
        return ""
    if len(known) == 1:
        return f"`ffebm explain {known[0]}` says more"
    return f"`ffebm explain CODE` says more about each of {', '.join(known)}"
