"""The table of diagnostic codes: stable code -> title, by the pages of ``ffebm explain``.

``FFE0xxx`` syntax, ``FFE1xxx`` names and values, ``FFE2xxx`` shapes, ``FFE3xxx`` energy
and couplings, ``FFE4xxx`` relaxation and gradients, ``FFE5xxx`` training, ``FFE6xxx`` size,
``FFEWxxx`` warnings. A code is never given a second meaning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable


class _Codes(Mapping[str, str]):
    """The titles are the headings of the pages, which are read when they are asked for."""

    @cached_property
    def _files(self) -> dict[str, Traversable]:
        folder = files("ffebm_dsl.language.diagnostics").joinpath("explain")
        found = {file.name.removesuffix(".md"): file for file in folder.iterdir()}
        return dict(sorted(found.items()))

    def page(self, code: str) -> str:
        return self._files[code].read_text(encoding="utf-8")

    def __getitem__(self, code: str) -> str:
        return self.page(code).partition("\n")[0].partition(": ")[2]

    def __contains__(self, code: object) -> bool:
        return code in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


CODES = _Codes()


def page(code: str) -> str:
    """The page of ``code``, in Markdown. Raises KeyError for a code that there is not."""
    return CODES.page(code)


def pointer(codes: list[str]) -> str:
    """Where to read more about what was reported, in one line."""
    known = sorted({code for code in codes if code in CODES})
    if not known:
        return ""
    if len(known) == 1:
        return f"`ffebm explain {known[0]}` says more"
    return f"`ffebm explain CODE` says more about each of {', '.join(known)}"
