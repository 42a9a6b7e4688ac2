"""Unknown names whose declaration is what is misspelt: reported there, once.

With ``param widht`` every use of `width` is an error. The uses are right: the declaration, which
is never read, has to be corrected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from ffebm_dsl.language.diagnostics import Diagnostic, Label, Span
from ffebm_dsl.language.diagnostics.fix import nearest, replace
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.registry import HARDWARE, TABLES, TRAIN
from ffebm_dsl.language.syntax import ast, lex
from ffebm_dsl.language.syntax.declarations import Declaration, declarations

_MOST_LABELS = 3

_Places = Mapping[str, Sequence[int]]
"""The places of every token, by its text."""

_DECLARES: Mapping[str, tuple[str, ...]] = {
    "FFE1001": ("param", "formal"),
    "FFE1002": ("formal", "input", "target", "feedforward", "block"),
    "FFE1006": ("formal",),
    "FFE1013": ("template",),
    "FFE1018": ("layer",),
    "FFE3022": ("hardware",),
}
"""Code of an unknown name -> the keywords that declare such names."""


@cache
def _language() -> frozenset[str]:
    """Names of the language: `sweeps` is meant where it is used, and `sweeos` is misspelt."""
    called = (entry for table in TABLES.values() for entry in table.visible().values())
    entries = [HARDWARE, TRAIN, *called]
    return frozenset(name for entry in entries for name in (entry.name, *entry.names))


def blame_declarations(program: ast.Program, log: Log) -> None:
    """Replace the faults of a name by one report of the misspelt declaration that explains them.

    A declaration is to blame if nothing reads its name, an unknown name is close to it, and that
    one is used more than once or is a word of the language; a single use may itself be misspelt.
    """
    unknown = [d for d in log.found if d.code in _DECLARES and d.source is log.source]
    if not unknown:
        return
    texts = {token.span.start: token.text for token in lex(log.source.text)}
    places: dict[str, list[int]] = {}
    for place, text in texts.items():
        places.setdefault(text, []).append(place)
    unread = [d for d in declarations(program) if _count(d.name, d.around, places) == 1]
    # The unknown name begins the fault: it is the fault, or its key.
    uses_of: dict[str, list[Diagnostic]] = {}
    for fault in unknown:
        uses_of.setdefault(texts.get(fault.span.start, ""), []).append(fault)
    for name, uses in uses_of.items():
        declared = _to_blame(name, uses, unread, places)
        if declared is None:
            continue
        unread.remove(declared)
        log.found[:] = [d for d in log.found if d not in uses]
        _report(name, declared, uses, log)


def _report(name: str, declared: Declaration, uses: list[Diagnostic], log: Log) -> None:
    times = f"{len(uses)} times" if len(uses) > 1 else "once"
    log.report(
        uses[0].code,
        f"`{declared.name}` is never used, and `{name}`, used {times}, is not declared",
        declared.span,
        labels=[Label(use.span, f"`{name}` is used here") for use in uses[:_MOST_LABELS]],
        help=f"did you mean `{name}`?",
        fix=replace(declared.span, name),
    )


def _to_blame(
    name: str, uses: list[Diagnostic], unread: list[Declaration], places: _Places
) -> Declaration | None:
    code = uses[0].code
    fitting = {
        d.name: d
        for d in unread
        if d.keyword in _DECLARES[code] and all(_sees(use, d) for use in uses)
    }
    close = nearest(name, fitting)
    if not close:
        return None
    declared = fitting[close]
    # The statements of a template are not resolved if its arguments are wrong.
    inside = _count(name, declared.around, places) if code == "FFE1006" else 0
    return declared if len(uses) + inside > 1 or name in _language() else None


def _sees(use: Diagnostic, declared: Declaration) -> bool:
    """Whether the name can be meant: a formal only in its template, or as a key of its calls."""
    if declared.keyword != "formal" or use.code == "FFE1006":
        return True
    return declared.around.start <= use.span.start < declared.around.end


def _count(name: str, region: Span, places: _Places) -> int:
    return sum(region.start <= place < region.end for place in places.get(name, ()))
