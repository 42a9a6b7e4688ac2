"""A program -> its canonical text. What it means is not asked: any text that parses has one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.cells import (
    AlignedRow,
    aligned,
    head_of_instance,
    row_of,
    separated,
    word,
)
from ffebm_dsl.language.syntax.documents import (
    NOTHING,
    Document,
    Fitted,
    IfBroken,
    Indent,
    Word,
    flat,
    last_at,
)
from ffebm_dsl.language.syntax.grammar import VERSION
from ffebm_dsl.language.syntax.writer import STEP, Blank, CommentedText, LineWriter

_WIDEST_COLUMNS = 60
"""A line whose aligned cells are wider than this is not aligned with its neighbours."""

Statement = Any
"""A statement or item of :mod:`~ffebm_dsl.language.syntax.ast`."""


def layout(program: ast.Program, text: str) -> str:
    """The canonical text of ``program``, which is what ``text`` says.

    A program without a version is given the one that this compiler reads.
    """
    source = CommentedText(text, program.comments)
    formatter = _Formatter(source, LineWriter(source))
    formatter.write_program(program)
    return formatter.writer.text()


class _Body(NamedTuple):
    """The head of a statement, the places of its braces, and the statements between them."""

    head: Document
    opening: int
    statements: Sequence[Statement]
    closing: int


class _Formatter(NamedTuple):
    source: CommentedText
    writer: LineWriter

    def write_program(self, program: ast.Program) -> None:
        version = program.version
        if version is None:
            self.writer.write(f"ffe {VERSION}")
        else:
            number = Word(version.text, version.span.end - len(version.text))
            self.writer.render((Word("ffe ", version.span.start), number), 0)
        # Nothing is set off from the version: an empty line there makes the doc comments
        # before it the heading of the text.
        blanks = [Blank.KEPT]
        for before, item in pairwise(program.items):
            blanks.append(Blank.ALWAYS if self._stands_apart(before, item) else Blank.KEPT)
        self._write_statements(program.items, 0, blanks[: len(program.items)])

    def _stands_apart(self, before: Statement, item: Statement) -> bool:
        """Whether an empty line goes before an item that has none in front of it."""
        if type(item) is type(before) and isinstance(item, ast.Param | ast.Use):
            return False
        between = self.source.comments_in(Span(before.span.end - 1, item.span.start))
        places = [c.span.start for c in between if self.source.is_alone(c)]
        return not any(map(self.source.blank_before, [*places, item.span.start]))

    def _write_statements(
        self, statements: Sequence[Statement], indent: int, blanks: Sequence[Blank]
    ) -> None:
        rows = [row_of(statement, self.source) for statement in statements]
        widths = self._columns(statements, rows)
        for statement, row, columns, blank in zip(statements, rows, widths, blanks, strict=True):
            self.writer.end_line(indent, blank)
            if row is None:
                self._write_body(_body_of(statement, self.source), indent)
            else:
                self.writer.render(aligned(row, columns), indent)

    def _columns(
        self, statements: Sequence[Statement], rows: Sequence[AlignedRow | None]
    ) -> list[list[int]]:
        """The widths of each row's columns; ``[]`` for a row that is not aligned."""
        widths: list[list[int]] = []
        above, shared = None, [0]
        for statement, row in zip(statements, rows, strict=True):
            own = self._own_columns(row)
            if row is None or not own:
                shared = []
            elif not above or above.kind != row.kind or not self._are_neighbours(above, statement):
                shared = own
            else:
                shared.extend([0] * (len(own) - len(shared)))
                shared[: len(own)] = map(max, shared, own)
            widths.append(shared)
            above = row if own else None
        return widths

    def _own_columns(self, row: AlignedRow | None) -> list[int]:
        if row is None or self.source.interrupts(row.cells):
            return []
        own = [len(flat(cell)) for cell in row.cells[:-1]]
        return own if sum(own) <= _WIDEST_COLUMNS else []

    def _are_neighbours(self, above: AlignedRow, statement: Statement) -> bool:
        start = statement.span.start
        if self.source.blank_before(start):
            return False
        between = self.source.comments_in(Span(last_at(above.cells), start))
        return not any(map(self.source.is_alone, between))

    def _write_body(self, body: _Body, indent: int) -> None:
        self.writer.render((body.head, Word(" {", body.opening)), indent)
        if body.statements or self.source.comments_in(Span(body.opening, body.closing)):
            inside, count = indent + STEP, len(body.statements)
            blanks = [Blank.NEVER, *[Blank.KEPT] * count]
            self._write_statements(body.statements, inside, blanks[:count])
            self.writer.end_line(inside, blanks[count])
            self.writer.write_comments(body.closing)
            self.writer.end_line(indent)
        self.writer.write("}", body.closing)


def _body_of(node: Statement, source: CommentedText) -> _Body:
    """The parts of a statement with braces; before them there is at least the ``last`` node."""
    keyword = Word(f"{type(node).__name__.lower()} ", node.span.start)
    head: Document
    last: ast.Node | None
    match node:
        case ast.Template(formals=formals, statements=inside):
            head, last = _head_of_template(node), formals[-1] if formals else node.name
        case ast.Model(name=last, statements=inside) | ast.Block(name=last, statements=inside):
            head = (keyword, word(last))
        case ast.Hardware(name=last, settings=inside):
            head = (keyword, word(last))
        case ast.EnergyStatement(statements=inside):
            head, last = _head_of_energy(node), node.device or node.kind
        case ast.Instance(template=last, overrides=inside):
            head = head_of_instance(node)
        case _:
            head, last, inside = Word("train", node.span.start), None, node.settings
    behind = last.span.end if last else node.span.start
    return _Body(head, source.find("{", behind), inside, node.span.end - 1)


def _head_of_energy(node: ast.EnergyStatement) -> Document:
    head = (Word("energy ", node.span.start), word(node.kind))
    return head if node.device is None else (head, word(node.device, " on "))


def _head_of_template(node: ast.Template) -> Document:
    name: Document = (Word("template ", node.span.start), word(node.name, after="("))
    formals = [(word(formal.name, after=": "), word(formal.type)) for formal in node.formals]
    if formals:
        listed = Indent((NOTHING, separated(formals), IfBroken(",")))
        name = Fitted((name, listed, NOTHING), filled=False)
    return (name, ")")
