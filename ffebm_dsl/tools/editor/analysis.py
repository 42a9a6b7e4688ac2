"""All that is known about one version of a text."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from ffebm_dsl.language.diagnostics import Diagnostic, SourceFile
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.passes import PASSES
from ffebm_dsl.language.ir.resolve import resolve
from ffebm_dsl.language.ir.resolved import Spec
from ffebm_dsl.language.syntax import parse_with_recovery
from ffebm_dsl.language.syntax.tokens import Token, find_tokens
from ffebm_dsl.tools.editor.scan import Scan, scan


@dataclass(frozen=True)
class Analysis:
    """``spec`` is the resolved spec, faulty parts None; None where nothing could be parsed.

    ``diagnostics`` are the syntax errors, or, of a text without any, everything else.
    """

    source: SourceFile
    spec: Spec | None
    diagnostics: tuple[Diagnostic, ...]

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        return find_tokens(self.source.text)

    @cached_property
    def scan(self) -> Scan:
        """The whole text read; its declarations are those of the text."""
        return scan(self.tokens, self.source.text)

    def token_at(self, offset: int) -> int | None:
        """The position of the token that ``offset`` is in or directly behind, the latter last."""
        starts = [token.span.start for token in self.tokens]
        position = bisect_right(starts, offset) - 1
        if position < 0 or self.tokens[position].span.end < offset:
            return None
        before = self.tokens[position - 1] if position else None
        touching = before is not None and before.span.end == offset
        if touching and before is not None and before.text[-1:].isalnum():
            return position - 1
        return position


def analyse(source: SourceFile) -> Analysis:
    """Parse and check a text, whatever state it is in."""
    recovered = parse_with_recovery(source)
    if recovered.program is None:
        return Analysis(source, None, recovered.diagnostics)
    log = Log(source)
    spec = resolve(recovered.program, {}, log)
    for _, run in PASSES:
        spec = run(spec, log)
    return Analysis(source, spec, recovered.diagnostics or log.sorted())
