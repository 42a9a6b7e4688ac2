"""The brackets that are open at a place, and the names that a text declares, from its tokens.

No parser: a text that an editor shows is half-written most of the time. Brackets that do
not match are taken as they come.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax.tokens import Token, TokenKind

DECLARING = frozenset(
    ("param", "template", "model", "input", "target", "readout", "block", "feedforward", "layer")
)
"""Keywords that a declared name follows."""

STATEMENTS = DECLARING | {"loss", "relax", "gradient", "init", "out", "energy", "train"}
"""Keywords with which a statement begins."""

DEEPEST = 8
"""Declarations inside declarations that are told apart; a text that compiles has three."""

_OPEN, _CLOSE = ("(", "[", "{"), (")", "]", "}")


class Declaration(NamedTuple):
    """A declared name. ``keyword`` is what declares it, ``formal`` for a template's argument.

    ``scope`` names the declarations around it, the outermost first. ``whole`` covers the
    statement; ``doc`` is the text of its doc comments. ``template`` is what a
    block is made from, ``""`` for one that is written out.
    """

    keyword: str
    name: str
    span: Span
    scope: tuple[str, ...]
    whole: Span
    doc: str = ""
    template: str = ""


@dataclass
class Level:
    """An open bracket, or the text itself, with what stands in it so far.

    ``owner`` is the keyword of the statement that a ``{`` belongs to, the name in front of
    a ``(``. In ``tail`` a closed bracket stands for all that it held. ``statement`` is
    where the last statement begins.
    """

    bracket: str
    owner: str = ""
    name: str = ""
    tail: list[Token] = field(default_factory=list)
    statement: int = 0
    scope: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """The last statement, as it stands so far."""
        return [token.text for token in self.tail[self.statement :]]

    @property
    def head(self) -> list[str]:
        """The first three words of the last statement, which may have many thousands."""
        return [token.text for token in self.tail[self.statement : self.statement + 3]]


class Scan(NamedTuple):
    """``levels`` are those open at the end of what was read, the innermost last."""

    levels: list[Level]
    declarations: list[Declaration]


def scan(tokens: Iterable[Token], text: str = "") -> Scan:
    """Read tokens to their end. Their ``text`` tells a heading from a declaration's comment."""
    reader = _Reader(text)
    for token in tokens:
        reader.read(token)
    return Scan(reader.levels, reader.finished())


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self.levels = [Level("")]
        self._open: list[list[Declaration]] = [[]]
        self._done: list[Declaration] = []
        self._docs: list[Token] = []
        self._statement_docs = ""
        self._end = 0

    def read(self, token: Token) -> None:
        if token.kind in (TokenKind.COMMENT, TokenKind.DOC):
            if token.kind is TokenKind.DOC and not self._document(token):
                self._docs.append(token)
            return
        level = self.levels[-1]
        if token.kind is TokenKind.KEYWORD and token.text in STATEMENTS and _begins(level):
            self._begin(level, token.span.start)
        self._docs.clear()
        if token.text in _CLOSE:
            self._close(token)
        elif token.text in _OPEN:
            self._declare(level, token)
            self.levels.append(_opened(level, token))
            self._open.append([])
        else:
            self._declare(level, token)
            if token.text in ("->", "<->") and level.owner == "energy":
                self._begin_connection(level)
            level.tail.append(token)
        self._end = token.span.end

    def _begin(self, level: Level, start: int) -> None:
        self._finish(self._open[-1])
        level.statement = len(level.tail)
        docs = self._docs
        if not self._done and len(self.levels) == 1:
            docs = self._without_heading(docs, start)
        self._statement_docs = "\n".join(doc.text.lstrip("#").strip() for doc in docs)

    def _document(self, doc: Token) -> bool:
        """Give a doc comment that ends a line, or stands in a bracket, to the declaration
        there. False for one that may belong to what follows."""
        level = self.levels[-1]
        ends_line = self._end > 0 and "\n" not in self._text[self._end : doc.span.start]
        if not ends_line and level.bracket in ("", "{"):
            return False
        at = len(self.levels) - 1
        if level.bracket == "{" and not level.tail:
            at -= 1
        while self.levels[at].bracket in ("(", "["):
            at -= 1
        open_ = self._open[at]
        if open_ and open_[-1].keyword != "out":
            lines = [open_[-1].doc, doc.text.lstrip("#").strip()]
            open_[-1] = open_[-1]._replace(doc="\n".join(filter(None, lines)))
        return True

    def _without_heading(self, docs: list[Token], start: int) -> list[Token]:
        """Those of the first declaration's comments that no empty line sets off from it."""
        ends = [*(doc.span.start for doc in docs[1:]), start]
        gaps = [self._text.count("\n", d.span.end, end) for d, end in zip(docs, ends, strict=False)]
        last = max((i for i, gap in enumerate(gaps) if gap > 1), default=-1)
        return docs[last + 1 :]

    def _begin_connection(self, level: Level) -> None:
        """A drive or coupling has no keyword: it began with the port before its arrow."""
        start = max(len(level.tail) - 1, 0)
        if start >= 2 and level.tail[start - 1].text == ".":
            start -= 2
        end = level.tail[start - 1].span.end if start else self._end
        self._finish(self._open[-1], end)
        level.statement = start

    def _declare(self, level: Level, token: Token) -> None:
        """Enter the name that ``token`` completes: itself, or the one before ``=`` or ``:``."""
        before = level.tail[-1] if level.tail else None
        if before is None:
            return
        if before.text in DECLARING and token.kind is TokenKind.NAME:
            self._enter(before.text, token, level, before.span.start)
        elif token.text == "=" and level.head[:1] == ["out"] and before.kind is TokenKind.NAME:
            self._enter("out", before, level, level.tail[level.statement].span.start)
        elif token.text == ":" and level.owner == "template" and level.bracket == "(":
            self._enter("formal", before, level, before.span.start)
        elif before.text == "=" and level.head[:1] == ["block"] and self._open[-1]:
            self._open[-1][-1] = self._open[-1][-1]._replace(template=token.text)

    def _enter(self, keyword: str, name: Token, level: Level, start: int) -> None:
        whole = Span(start, name.span.end)
        doc = "" if keyword in ("formal", "out") else self._statement_docs
        found = Declaration(keyword, name.text, name.span, level.scope, whole, doc)
        self._open[-1].append(found)

    def _close(self, token: Token) -> None:
        if len(self.levels) == 1:
            return
        self._finish(self._open.pop())
        self.levels.pop()
        self.levels[-1].tail.append(token)

    def _finish(self, declarations: list[Declaration], end: int | None = None) -> None:
        for found in declarations:
            whole = Span(found.whole.start, max(self._end if end is None else end, found.span.end))
            self._done.append(found._replace(whole=whole))
        declarations.clear()

    def finished(self) -> list[Declaration]:
        for declarations in self._open:
            self._finish(declarations)
        return sorted(self._done, key=lambda found: found.span)


def _begins(level: Level) -> bool:
    """Whether a keyword begins a statement here: not inside a call or list, nor as a name."""
    return level.bracket in ("", "{") and not (level.tail and level.tail[-1].text == ".")


def _opened(level: Level, token: Token) -> Level:
    words = level.head
    if token.text == "{":
        owner = words[0] if words else ""
        name = words[1] if len(words) > 1 else ""
        if owner == "block" and "=" in words:
            owner = "instance"
        scoped = owner in ("model", "block", "template", "instance") and name
        return Level("{", owner, name, scope=_inside(level, name) if scoped else level.scope)
    before = level.tail[-1] if level.tail else None
    called = token.text == "(" and before is not None and before.kind is TokenKind.NAME
    if called and before and words[:1] == ["template"]:
        return Level("(", "template", before.text, scope=_inside(level, before.text))
    name = before.text if called and before else ""
    return Level(token.text, "call" if called else "", name, scope=level.scope)


def _inside(level: Level, name: str) -> tuple[str, ...]:
    return (*level.scope, name) if len(level.scope) < DEEPEST else level.scope
