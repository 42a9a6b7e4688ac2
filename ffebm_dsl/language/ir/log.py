"""Where a pass writes what it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ffebm_dsl.language.diagnostics import (
    Diagnostic,
    Fix,
    Label,
    Severity,
    SourceFile,
    Span,
    SpecError,
)

MOST_FAULTS = 100
"""Faults after which a spec is given up: each costs time, and nobody reads more in one run."""


@dataclass(frozen=True)
class Log:
    """Diagnostics of one compilation, and the declarations that something has used.

    A fault is kept once per code, place and message: what is wrong with a template itself
    is reported once, however often it is expanded. ``told`` counts it every time, for whoever
    asks whether a part is without fault.
    ``context`` labels are added to every report (where a template was expanded).
    """

    source: SourceFile
    found: list[Diagnostic] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    kept: set[tuple[str, Span, str, SourceFile]] = field(default_factory=set)
    used: set[Span] = field(default_factory=set)
    context: tuple[Label, ...] = ()

    def within(self, context: Label | None) -> Log:
        """The same log for reports from inside a template that was expanded at ``context``."""
        return replace(self, context=(context,)) if context else self

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        text: str = "",
        *,
        labels: Iterable[Label] = (),
        notes: Iterable[str] = (),
        help: str = "",
        fix: Fix | None = None,
        source: SourceFile | None = None,
    ) -> None:
        """Keep a diagnostic. ``source`` is given where the fault is not in the spec itself."""
        home = source is None or source is self.source
        places = (*labels, *self.context) if home else ()
        diagnostic = Diagnostic(
            code,
            message,
            source or self.source,
            span,
            text,
            labels=places,
            notes=tuple(note for note in notes if note),
            help=help,
            fix=fix,
        )
        self.told[code] += 1
        fault = (code, span, message, diagnostic.source)
        if fault in self.kept:
            return
        self.kept.add(fault)
        self.found.append(diagnostic)
        if len(self.found) >= MOST_FAULTS and self.failed:
            raise SpecError(self.sorted())

    @property
    def failed(self) -> bool:
        return any(d.severity is Severity.ERROR for d in self.found)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """Faults of overrides first, then everything else in the order of the text."""
        return tuple(sorted(self.found, key=lambda d: (d.source is self.source, d.span.start)))
