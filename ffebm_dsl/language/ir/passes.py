"""The front end's passes, in order, and the functions that run them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Diagnostic, SourceFile, Span, SpecError
from ffebm_dsl.language.ir.check.budget import BUDGET, Budget, check_budget
from ffebm_dsl.language.ir.check.check_calls import check_calls
from ffebm_dsl.language.ir.check.check_hardware import check_hardware
from ffebm_dsl.language.ir.check.check_learning import check_learning, check_weights
from ffebm_dsl.language.ir.check.check_model import check_model
from ffebm_dsl.language.ir.check.check_overrides import check_overrides, check_param
from ffebm_dsl.language.ir.check.check_train import check_train
from ffebm_dsl.language.ir.check.infer_shapes import infer_shapes
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.lower import lower
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.ir.resolve.resolve_spec import resolve
from ffebm_dsl.language.ir.resolve.resolved import ResolvedSpec
from ffebm_dsl.language.ir.tools.part_names import places
from ffebm_dsl.language.syntax import Recovered, ast, parse_with_recovery
from ffebm_dsl.language.syntax.reading import refuse_long_text

CHECKS: tuple[Callable[[ResolvedSpec, Log], None], ...] = (
    check_model,
    check_calls,
    # After the model's own checks, so that a fault of the model is not blamed on the data.
    check_train,
    check_learning,
    check_hardware,
)
"""The checks between the inference of shapes, which they compare, and lowering. Every check runs on
every spec, faulty ones too, and reports nothing about parts that are known to be faulty."""


@dataclass(frozen=True)
class Compiled:
    """A spec that compiled: its IR, its text, and what is worth a warning.

    ``places`` gives the span of each part in the text
    (:func:`~ffebm_dsl.language.ir.tools.part_names.places`).
    """

    spec: SpecIR
    source: SourceFile
    warnings: tuple[Diagnostic, ...]
    places: Mapping[str, Span]


class Stage(NamedTuple):
    """The spec after one stage: AST, resolved spec or IR."""

    name: str
    result: ast.Program | ResolvedSpec | SpecIR


def compile_spec(
    source: SourceFile,
    overrides: Mapping[str, str] | None = None,
    budget: Budget | None = BUDGET,
) -> Compiled:
    """Text -> IR. ``overrides`` are the values of ``--set``, as text, by key.

    A network over the ``budget`` is an error; None allows any size.

    Raises SpecError with every diagnostic, warnings included, if there is an error among
    them. Of a text with syntax errors these, and what is certainly wrong besides.
    """
    refuse_long_text(source)
    return compile_text(source, overrides or {}, budget)


def compile_text(
    source: SourceFile, overrides: Mapping[str, str], budget: Budget | None
) -> Compiled:
    """:func:`compile_spec` of a text of any length."""
    first, _, checked, last = run_stages(source, overrides, log := Log(source))
    assert isinstance(checked.result, ResolvedSpec) and checked.result.model is not None
    assert isinstance(last.result, SpecIR)
    where = places(checked.result.model)
    check_weights(last.result, where[""], log)
    check_overrides(checked.result.model, log)
    program = first.result
    assert isinstance(program, ast.Program)
    for number, key in enumerate(overrides, start=1):
        if key in last.result.parameters:
            others = {k: v for k, v in overrides.items() if k != key}
            check_param(number, key, last.result, _meaning(program, others, source), log)
    if budget is not None:
        check_budget(last.result.model, where, budget, log)
    if log.failed:
        raise SpecError(log.sorted())
    return Compiled(last.result, source, log.sorted(), where)


def run_stages(source: SourceFile, overrides: Mapping[str, str], log: Log) -> Iterator[Stage]:
    """The spec after each stage, lazily; what is found goes to ``log``.

    Raises SpecError for a text that does not parse, and in the place of the last stage, the
    IR, where ``log`` holds an error.
    """
    recovered = parse_with_recovery(source)
    program = recovered.program
    if recovered.diagnostics or program is None:
        raise SpecError(_all_faults(recovered, overrides, source))
    yield Stage("parse", program)
    spec = resolve(program, overrides, log)
    yield Stage("resolve", spec)
    spec = infer_shapes(spec, log)
    yield Stage("infer_shapes", spec)
    for check in CHECKS:
        check(spec, log)
    if log.failed:
        raise SpecError(log.sorted())
    yield Stage("lower", lower(spec))


def _meaning(
    program: ast.Program, overrides: Mapping[str, str], source: SourceFile
) -> SpecIR | None:
    """The IR; None where there is an error."""
    log = Log(source)
    with suppress(SpecError):
        spec = resolve_and_check(program, overrides, log)
        return None if log.failed else lower(spec)
    return None


def resolve_and_check(program: ast.Program, overrides: Mapping[str, str], log: Log) -> ResolvedSpec:
    """The spec with its shapes, faulty parts None; what is found goes to ``log``."""
    spec = infer_shapes(resolve(program, overrides, log), log)
    for check in CHECKS:
        check(spec, log)
    return spec


LOCAL = frozenset(
    {
        *("FFE0007", "FFE1004", "FFE1005", "FFE1006", "FFE1007"),
        *("FFE1008", "FFE1009", "FFE1010", "FFE1012", "FFE1017"),
    }
)
"""Faults of one call or literal, independent of the text around it."""

OF_NAMES = frozenset({"FFE1001", "FFE1002", "FFE1003", "FFE1013", "FFE1018"})
"""Faults of a name, certain where every declaration is known."""


def _all_faults(
    recovered: Recovered, overrides: Mapping[str, str], source: SourceFile
) -> tuple[Diagnostic, ...]:
    """The syntax errors of a text, and what is certainly wrong with it besides.

    The checks run on what recovery understood of the text, and only those faults are kept that
    no missing or misread part of it can have caused: unknown names only where no declaration can
    have been lost, and nothing on a line that recovery changed.
    """
    if recovered.program is None:
        return recovered.diagnostics
    log = Log(source)
    with suppress(SpecError):  # too many faults: what was found until then is in the log
        resolve_and_check(recovered.program, overrides, log)
    damaged = [*recovered.damaged, *(d.span for d in recovered.diagnostics)]
    lines = {source.position(span.start)[0] for span in damaged}
    certain = LOCAL if recovered.names_lost else LOCAL | OF_NAMES
    log.found[:] = [
        d
        for d in log.found
        if d.code in certain
        and (d.source is not source or source.position(d.span.start)[0] not in lines)
    ]
    log.found.extend(recovered.diagnostics)
    return log.sorted()
