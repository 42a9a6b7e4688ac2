"""The page of each diagnostic code: what it means, an example that fails, and one that does not.

The pages are ``explain/CODE.md`` beside this module.
"""

from __future__ import annotations

import re
from importlib.resources import files

from ffebm_dsl.diagnostics.codes import CODES

_EXAMPLE = re.compile(r"^## (?P<title>Failing|Mended)\n+```ffe\n(?P<text>.*?)^```$", re.M | re.S)


def page(code: str) -> str:
    """The page of ``code``, in Markdown. Raises KeyError for a code that there is not."""
    if code not in CODES:
        raise KeyError(code)
    file = files("ffebm_dsl.diagnostics").joinpath("explain", f"{code}.md")
    return file.read_text(encoding="utf-8")


def examples(code: str) -> dict[str, str]:
    """The specs of a page by its headings: ``Failing`` brings the code about, ``Mended`` not."""
    return {match["title"]: match["text"] for match in _EXAMPLE.finditer(page(code))}


def pointer(codes: list[str]) -> str:
    """Where to read more about what was reported, in one line."""
    known = sorted({code for code in codes if code in CODES})
    if not known:
        return ""
    if len(known) == 1:
        return f"`ffebm explain {known[0]}` says more"
    return f"`ffebm explain CODE` says more about each of {', '.join(known)}"
