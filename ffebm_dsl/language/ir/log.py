"""The log of a compilation, to which passes report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ffebm_dsl.language.diagnostics import (
    Diagnostic,
    Edit,
    Fix,
    Label,
    Severity,
    SourceFile,
    Span,
    SpecError,
)
from ffebm_dsl.language.diagnostics.fix import did_you_mean, respell

FAR = 1 << 32
"""Longer than any text: the places of override ``n``, from 1, begin at ``n`` times this."""

MOST_FAULTS = 100
"""Faults after which the compilation ends: more are not read in one run."""


@dataclass(frozen=True)
class Log:
    """Diagnostics of one compilation, and the declarations that something has used.

    A fault is kept once per code, place and message: what is wrong with a template itself
    is reported once, however often it is expanded. ``reports`` counts duplicates too: whether
    it grew says whether a part has a fault.
    ``context`` labels are added to every report (where a template was expanded).

    Each override is a text of its own. Its places come after those of the spec: they begin
    where :meth:`enter` says.
    """

    source: SourceFile
    overrides: list[SourceFile] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    reports: Counter[str] = field(default_factory=Counter)
    kept: set[tuple[str, Span, str, SourceFile]] = field(default_factory=set)
    used: set[Span] = field(default_factory=set)
    context: tuple[Label, ...] = ()

    def within(self, context: Label | None) -> Log:
        """The same log for reports from inside a template that was expanded at ``context``."""
        return replace(self, context=(context,)) if context else self

    def enter(self, override: SourceFile) -> int:
        """Where the places of an override begin."""
        self.overrides.append(override)
        return len(self.overrides) * FAR

    def locate(self, span: Span) -> tuple[SourceFile, Span]:
        """The text that a place is in, and where it is in that."""
        number, start = divmod(span.start, FAR)
        if number <= 0:  # one that is outside of the text begins before it
            return self.source, span
        return self.overrides[number - 1], Span(start, span.end % FAR)

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
    ) -> None:
        """Keep a diagnostic, with the labels and the fix that are in the same text."""
        home, place = self.locate(span)
        labels = [label for label in (*labels, *self.context) if self.locate(label.span)[0] is home]
        edits = [(self.locate(edit.span), edit.text) for edit in (fix.edits if fix else ())]
        if fix is not None:
            moved = tuple(Edit(place, text) for (text_of, place), text in edits if text_of is home)
            fix = Fix(fix.title, moved) if len(moved) == len(edits) else None
        diagnostic = Diagnostic(
            code,
            message,
            home,
            place,
            text,
            labels=tuple(labels),
            notes=tuple(note for note in notes if note),
            help=help,
            fix=fix,
        )
        self.reports[code] += 1
        fault = (code, place, message, home)
        if fault in self.kept:
            return
        self.kept.add(fault)
        self.found.append(diagnostic)
        if len(self.found) >= MOST_FAULTS and self.failed:
            raise SpecError(self.sorted())

    def report_unknown(
        self, code: str, message: str, span: Span, name: str, known: Iterable[str], help: str = ""
    ) -> None:
        """Report a ``name`` that is not among the ``known`` ones, with the nearest of them.

        ``help`` is used where no name is near.
        """
        known = tuple(known)
        help = did_you_mean(name, known) or help
        self.report(code, message, span, help=help, fix=respell(span, name, known))

    @property
    def failed(self) -> bool:
        return any(d.severity is Severity.ERROR for d in self.found)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """Faults of overrides first, then everything else in the order of the text."""
        return tuple(sorted(self.found, key=lambda d: (d.source is self.source, d.span.start)))
