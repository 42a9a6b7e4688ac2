"""Unknown names whose declaration is what is misspelt: reported there, once.

``param widht`` makes every use of `width` a fault. Each of those is right as it stands; what has
to be mended is the one line that nobody reads the name of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Diagnostic, Label, Span
from ffebm_dsl.language.diagnostics.fix import replace
from ffebm_dsl.language.diagnostics.nearest import nearest
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.registry import TABLES, TRAIN
from ffebm_dsl.language.syntax import ast

_WORD = re.compile(r'#[^\n]*|"[^"\n]*"|[A-Za-z_]\w*')
_MOST_LABELS = 3

_DECLARES: dict[str, tuple[type, ...]] = {
    "FFE1001": (ast.Param, ast.Formal),
    "FFE1002": (ast.Formal, ast.Input, ast.Target, ast.Feedforward, ast.Block, ast.Instance),
    "FFE1006": (ast.Formal,),
    "FFE1013": (ast.Template,),
    "FFE1018": (ast.Layer,),
}
"""What declares the kind of name that a code finds unknown."""


@cache
def _language() -> frozenset[str]:
    """Names of the language: who writes `sweeps` means it, and `sweeos` is the slip."""
    entries = [TRAIN, *(entry for table in TABLES.values() for entry in table.values())]
    return frozenset(name for entry in entries for name in (entry.name, *entry.names))


class _Declared(NamedTuple):
    """A declared name, what declares it, and where its name can be read."""

    name: ast.Ident
    kind: type
    region: Span


def blame_declarations(program: ast.Program, log: Log) -> None:
    """In the place of faults of a name that one misspelt declaration explains, report that.

    A declaration is to blame if nothing reads its name, an unknown name is close to it, and that
    one is used more than once or is a word of the language; a single use may as well be the slip.
    """
    unknown = [d for d in log.found if d.code in _DECLARES and d.source is log.source]
    if not unknown:
        return
    unread = [d for d in _declarations(program) if _is_unread(d, log.source.text)]
    for name in dict.fromkeys(_name_of(d) for d in unknown):
        uses = [d for d in unknown if _name_of(d) == name]
        declared = _to_blame(name, uses, unread)
        if declared is None:
            continue
        unread.remove(declared)
        log.found[:] = [d for d in log.found if d not in uses]
        _report(name, declared, uses, log)


def _report(name: str, declared: _Declared, uses: list[Diagnostic], log: Log) -> None:
    times = f"{len(uses)} times" if len(uses) > 1 else "once"
    log.report(
        uses[0].code,
        f"`{declared.name.text}` is never used, and `{name}`, used {times}, is not declared",
        declared.name.span,
        labels=[Label(use.span, f"`{name}` is used here") for use in uses[:_MOST_LABELS]],
        help=f"did you mean `{name}`?",
        fix=replace(declared.name.span, name),
    )


def _name_of(fault: Diagnostic) -> str:
    """The unknown name: what stands there, or the key of what stands there."""
    match = _WORD.match(fault.source.text, fault.span.start, fault.span.end)
    return match.group() if match else ""


def _to_blame(name: str, uses: list[Diagnostic], unread: list[_Declared]) -> _Declared | None:
    kinds = _DECLARES[uses[0].code]
    fitting = {
        d.name.text: d for d in unread if d.kind in kinds and all(_sees(use, d) for use in uses)
    }
    close = nearest(name, fitting)
    if not close:
        return None
    declared, text = fitting[close], uses[0].source.text
    # A template's statements are not looked at where its arguments are wrong.
    inside = _count(name, declared.region, text) if uses[0].code == "FFE1006" else 0
    return declared if len(uses) + inside > 1 or name in _language() else None


def _sees(use: Diagnostic, declared: _Declared) -> bool:
    """Whether the name can be meant: a formal only in its template, or as a key of its calls."""
    if declared.kind is not ast.Formal or use.code == "FFE1006":
        return True
    return declared.region.start <= use.span.start < declared.region.end


def _is_unread(declared: _Declared, text: str) -> bool:
    return _count(declared.name.text, declared.region, text) == 1


def _count(name: str, region: Span, text: str) -> int:
    return _WORD.findall(text, region.start, region.end).count(name)


def _declarations(program: ast.Program) -> Iterator[_Declared]:
    """Every declared name of the text; those of blocks can be read in the whole of it."""
    everywhere = program.span
    for item in program.items:
        match item:
            case ast.Param():
                yield _Declared(item.name, ast.Param, everywhere)
            case ast.Template():
                yield _Declared(item.name, ast.Template, everywhere)
                for formal in item.formals:
                    yield _Declared(formal.name, ast.Formal, item.span)
                yield from _inside(item.statements, item.span)
            case ast.Model():
                yield from _inside(item.statements, everywhere)


def _inside(
    statements: tuple[ast.ModelStatement | ast.BlockStatement, ...], region: Span
) -> Iterator[_Declared]:
    for statement in statements:
        match statement:
            case ast.Input() | ast.Target() | ast.Feedforward() | ast.Instance() | ast.Block():
                yield _Declared(statement.name, type(statement), region)
            case ast.Energy():
                layers = (s for s in statement.statements if isinstance(s, ast.Layer))
                yield from (_Declared(layer.name, ast.Layer, statement.span) for layer in layers)
        if isinstance(statement, ast.Block):
            yield from _inside(statement.statements, statement.span)
