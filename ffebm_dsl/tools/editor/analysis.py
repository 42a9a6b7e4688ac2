"""All that is known about one version of a text: its faults, its meaning, its names."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from ffebm_dsl.language.diagnostics import Diagnostic, Severity, SourceFile
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.lower import lower
from ffebm_dsl.language.ir.passes import resolve_and_check
from ffebm_dsl.language.ir.resolve.resolved import ResolvedSpec
from ffebm_dsl.language.ir.tools.count import ModelCount, count
from ffebm_dsl.language.syntax import Token, ast, lex, parse_with_recovery
from ffebm_dsl.language.syntax.declarations import Declaration, declarations
from ffebm_dsl.tools.editor.expect import candidates, expected


@dataclass(frozen=True)
class Analysis:
    """``program`` is what was understood of the text, ``spec`` what it means, faulty parts
    None; both are None where nothing could be parsed.

    ``diagnostics`` are the syntax errors, or, of a text without any, everything else.
    """

    source: SourceFile
    program: ast.Program | None
    spec: ResolvedSpec | None
    diagnostics: tuple[Diagnostic, ...]

    @cached_property
    def tokens(self) -> list[Token]:
        """The tokens of the text, comments too."""
        return lex(self.source.text)

    @cached_property
    def declarations(self) -> list[Declaration]:
        """The declarations of the text, in order."""
        return [*declarations(self.program)] if self.program else []

    @cached_property
    def counted(self) -> ModelCount | None:
        """The parameters and multiply-accumulates of the model; None of a faulty text."""
        faulty = any(d.severity is Severity.ERROR for d in self.diagnostics)
        return None if faulty or self.spec is None else count(lower(self.spec).model)

    def token_at(self, offset: int) -> Token | None:
        """The token that ``offset`` is in or directly behind; of two, the one that has letters."""
        position = bisect_right(self.tokens, offset, key=lambda token: token.span.start) - 1
        if position < 0 or self.tokens[position].span.end < offset:
            return None
        before = self.tokens[position - 1] if position else None
        touching = before is not None and before.span.end == offset
        if touching and before is not None and before.text[-1:].isalnum():
            return before
        return self.tokens[position]


def analyse(source: SourceFile) -> Analysis:
    """Parse and check a text, whatever state it is in."""
    recovered = parse_with_recovery(source)
    program = recovered.program
    if program is None:
        return Analysis(source, None, None, recovered.diagnostics)
    log = Log(source)
    spec = resolve_and_check(program, {}, log)
    return Analysis(source, program, spec, recovered.diagnostics or log.sorted())


def declaration_at(analysis: Analysis, offset: int) -> Declaration | None:
    """The declaration of the name at ``offset``; None where there is none, or no name."""
    token = analysis.token_at(offset)
    if token is None or token.type != "NAME" or analysis.program is None:
        return None
    for found in analysis.declarations:
        if found.span == token.span:
            return found
    wanted = expected(analysis.program, token.span)
    named = (d for d in candidates(wanted, analysis.declarations) if d.name == token.text)
    return next(named, None)
