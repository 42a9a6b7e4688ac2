"""The head of a text: the version of the language that it states, and the packages it uses."""

from __future__ import annotations

from collections.abc import Iterator

from ffebm_dsl.language.diagnostics import Label, Span
from ffebm_dsl.language.diagnostics.fix import insert, replace
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import PackageIR
from ffebm_dsl.language.registry import packages
from ffebm_dsl.language.registry.packages import PackageError
from ffebm_dsl.language.registry.tables import normalised
from ffebm_dsl.language.syntax import VERSION, VERSIONS, ast


def stated_version(program: ast.Program, log: Log) -> str:
    """The version of ``program``; the present one where the text states none that is known."""
    stated = program.version
    if stated is None:
        log.report(
            "FFEW001",
            "the spec does not say which version of the language it is written in",
            Span(0, 0),
            help=f"make `ffe {VERSION}` the first line",
            fix=insert(0, f"ffe {VERSION}\n"),
        )
        return VERSION
    if stated.text not in VERSIONS:
        log.report(
            "FFE0007",
            f"version {stated.text} of the language is unknown here",
            stated.span,
            help=f"this ffebm reads {' and '.join(f'`ffe {version}`' for version in VERSIONS)}",
        )
        return VERSION
    if stated.text == "1.0":
        _report_first_of_1_1(program, stated, log)
    return stated.text


def _report_first_of_1_1(program: ast.Program, stated: ast.Version, log: Log) -> None:
    """One report is enough: its fix makes all of them legal."""
    for what, span in _since_1_1(program.items):
        number = Span(stated.span.end - len(stated.text), stated.span.end)
        log.report(
            "FFE0010",
            f"{what} needs version 1.1 of the language, and the text states {stated.text}",
            span,
            help="write `ffe 1.1` in the first line",
            fix=replace(number, "1.1"),
        )
        return


def _since_1_1(statements: tuple[object, ...]) -> Iterator[tuple[str, Span]]:
    """Features that a text of version 1.0 cannot use, in the order of the text."""
    layers = {s.name.text for s in statements if isinstance(s, ast.LayerStatement)}
    for statement in statements:
        if isinstance(statement, ast.Use):
            yield "`use`", statement.span
        elif isinstance(statement, ast.Hardware):
            yield "`hardware`", statement.name.span
        elif isinstance(statement, ast.EnergyStatement) and statement.device is not None:
            yield "`on`", statement.device.span
        # Between two layers, the arrow is what is wrong, and not the version.
        elif (
            isinstance(statement, ast.DriveStatement)
            and statement.ops
            and statement.source.name.text not in layers
        ):
            yield "an op of a drive", statement.ops[0].span.to(statement.ops[-1].span)
        if isinstance(statement, ast.DriveStatement | ast.CouplingStatement) and statement.settings:
            yield "a setting of a connection", statement.settings[0].span
        if isinstance(statement, ast.LayerStatement) and len(statement.shape.items) == 2:
            yield "a layer of two sizes", statement.shape.span
        if isinstance(statement, ast.TermStatement):
            yield "a term of a layer", statement.span
        if isinstance(statement, ast.Loss) and (
            len(statement.terms) > 1 or statement.terms[0].weight is not None
        ):
            yield "a sum of losses", statement.terms[0].span.to(statement.terms[-1].span)
        yield from _since_1_1(getattr(statement, "statements", ()))


def use_packages(uses: list[ast.Use], log: Log) -> tuple[PackageIR, ...]:
    """The packages, their constructs entered into the tables; what cannot be used is reported."""
    used: dict[str, PackageIR] = {}
    first: dict[str, ast.Use] = {}
    for use in uses:
        name = normalised(use.package.text)
        if name in first:
            labels = [Label(first[name].span, "first named here")]
            log.report("FFE1015", f"`{use.package.text}` is used twice", use.span, labels=labels)
            continue
        first[name] = use
        try:
            package = packages.use(use.package.text, use.version.text)
        except PackageError as error:
            code = "FFE1021" if error.clash else "FFE1020"
            log.report(code, error.message, use.span, help=error.help)
        else:
            used[name] = PackageIR(name, use.version.text, package.version)
    return tuple(used[name] for name in sorted(used))
