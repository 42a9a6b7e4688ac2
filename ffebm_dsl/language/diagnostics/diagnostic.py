"""The one record in which every fault of a spec is reported."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ffebm_dsl.language.diagnostics.codes import CODES
from ffebm_dsl.language.diagnostics.fix import Fix
from ffebm_dsl.language.diagnostics.source import SourceFile, Span


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

    ``code`` is a key of :data:`ffebm_dsl.language.diagnostics.codes.CODES`; its prefix gives
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
