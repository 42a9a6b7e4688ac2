"""The one record in which every fault of a spec is reported, and the table of its codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from ffebm_dsl.language.diagnostics.fix import Fix
from ffebm_dsl.language.diagnostics.source import SourceFile, Span


class _Codes(Mapping[str, str]):
    """The table of codes: stable code -> title, by the pages of ``ffebm explain``.

    ``FFE0xxx`` syntax, ``FFE1xxx`` names and values, ``FFE2xxx`` shapes, ``FFE3xxx`` energy
    and couplings, ``FFE4xxx`` relaxation and gradients, ``FFE5xxx`` training, ``FFE6xxx`` size,
    ``FFEWxxx`` warnings. A code is never given a second meaning. The titles are the headings of
    the pages, which are read when they are asked for.
    """

    @cached_property
    def _files(self) -> dict[str, Traversable]:
        folder = files("ffebm_dsl.language.diagnostics").joinpath("explain")
        found = {file.name.removesuffix(".md"): file for file in folder.iterdir()}
        return dict(sorted(found.items()))

    def page(self, code: str) -> str:
        """The page of ``code``, in Markdown. Raises KeyError for a code that there is not."""
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


def pointer(codes: list[str]) -> str:
    """Where to read more about what was reported, in one line."""
    known = sorted({code for code in codes if code in CODES})
    if not known:
        return ""
    if len(known) == 1:
        return f"`ffebm explain {known[0]}` says more"
    return f"`ffebm explain CODE` says more about each of {', '.join(known)}"


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"

    @classmethod
    def of(cls, code: str) -> Severity:
        """The severity of a code, which its prefix says."""
        return cls.WARNING if code.startswith("FFEW") else cls.ERROR


@dataclass(frozen=True)
class Label:
    """A secondary place that explains the primary one: a declaration, a first use."""

    span: Span
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """One fault, with its place, what it concerns, and what to do about it.

    ``code`` is a key of :data:`CODES`; its prefix gives
    the severity (``FFEW`` is a warning, every other code an error). ``message`` is one
    line. ``text`` is written beside the caret. ``notes`` state facts that led to the
    fault; ``help`` says what to change, and ``fix`` is that change where it is certain.
    """

    code: str
    message: str
    source: SourceFile
    span: Span
    text: str = ""
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str = ""
    fix: Fix | None = None
    severity: Severity = field(init=False)

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise KeyError(f"diagnostic code {self.code} is not in the table of codes")
        object.__setattr__(self, "severity", Severity.of(self.code))
