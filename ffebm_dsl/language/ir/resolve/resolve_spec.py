"""Program (AST) -> resolved spec: names bound, templates expanded, arguments evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ffebm_dsl.language.diagnostics import Label, Span
from ffebm_dsl.language.diagnostics.fix import insert, replace
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import PackageIR
from ffebm_dsl.language.ir.resolve.misspelt import blame_declarations
from ffebm_dsl.language.ir.resolve.overrides import read_overrides
from ffebm_dsl.language.ir.resolve.params import resolve_params
from ffebm_dsl.language.ir.resolve.ports import declare
from ffebm_dsl.language.ir.resolve.resolve_model import resolve_model
from ffebm_dsl.language.ir.resolve.resolve_sections import (
    check_devices,
    resolve_hardware,
    resolve_train,
)
from ffebm_dsl.language.ir.resolve.resolved import ResolvedSpec
from ffebm_dsl.language.ir.resolve.scope import Bound, Packages, Scope
from ffebm_dsl.language.ir.resolve.statements import at_most_one, of_type
from ffebm_dsl.language.ir.resolve.templates import expands_to_too_much
from ffebm_dsl.language.registry import packages as installed
from ffebm_dsl.language.registry.packages import PackageError
from ffebm_dsl.language.registry.tables import normalised
from ffebm_dsl.language.syntax import VERSION, VERSIONS, ast


def resolve(program: ast.Program, overrides: Mapping[str, str], log: Log) -> ResolvedSpec:
    """The spec that ``program`` states; faults go to ``log``, faulty parts become None."""
    version = _stated_version(program, log)
    uses = of_type(program.items, ast.Use)
    used = _use_packages(uses, log)
    packages = Packages(frozenset(package.name for package in used), len(used) == len(uses))
    params = of_type(program.items, ast.Param)
    section = at_most_one(program.items, ast.Train, "train", log)
    text = at_most_one(program.items, ast.Model, "model", log)
    stated = {type(s).__name__.lower(): s.span for s in reversed(text.statements if text else ())}
    blocks = _blocks(text)
    named = [p.name.text for p in params]
    given = read_overrides(overrides, named, packages, stated, blocks, log)
    of_params = {o.name: o for o in given if o.owner == "param"}
    values = resolve_params(params, of_params, log)
    scope = Scope(log, values, packages)
    templates = _templates(program, log)
    of_train = [o for o in given if o.owner == "train"]
    devices = resolve_hardware(of_type(program.items, ast.Hardware), scope)
    train = resolve_train(section, of_train, scope)
    if text is not None and expands_to_too_much(text, templates, log):
        return ResolvedSpec(version, used, {}, devices, None, train)
    model = resolve_model(text, templates, given, scope) if text else None
    if text is None:
        log.report(
            "FFE1014",
            "the spec has no model",
            Span(len(log.source.text.rstrip()), len(log.source.text.rstrip())),
            help="add `model name { ... }`",
        )
    if model is not None:
        check_devices(model, devices, log)
    blame_declarations(program, log)
    if not log.failed:
        _warn_of_unused(params, templates, values, log)
    parameters = {name: b.value for name, b in values.items() if b.value is not None}
    return ResolvedSpec(version, used, parameters, devices, model, train)


def _stated_version(program: ast.Program, log: Log) -> str:
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


def _use_packages(uses: list[ast.Use], log: Log) -> tuple[PackageIR, ...]:
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
            package = installed.use(use.package.text, use.version.text)
        except PackageError as error:
            code = "FFE1021" if error.clash else "FFE1020"
            log.report(code, error.message, use.span, help=error.help)
        else:
            used[name] = PackageIR(name, use.version.text, package.version)
    return tuple(used[name] for name in sorted(used))


def _blocks(model: ast.Model | None) -> list[str]:
    statements = model.statements if model else ()
    return [s.name.text for s in statements if isinstance(s, ast.Block | ast.Instance)]


def _templates(program: ast.Program, log: Log) -> dict[str, ast.Template]:
    names: dict[str, Span] = {}
    found = of_type(program.items, ast.Template)
    return {t.name.text: t for t in found if declare(names, t.name, log)}


def _warn_of_unused(
    params: list[ast.Param],
    templates: Mapping[str, ast.Template],
    values: Mapping[str, Bound],
    log: Log,
) -> None:
    for param in params:
        if values[param.name.text].declared not in log.used:
            log.report("FFEW002", f"param `{param.name.text}` is never used", param.name.span)
    for template in templates.values():
        if template.name.span not in log.used:
            message = f"template `{template.name.text}` is never used, and so never checked"
            log.report("FFEW004", message, template.name.span)
            continue
        for formal in template.formals:
            if formal.type.text != "port" and formal.name.span not in log.used:
                message = f"`{formal.name.text}` of template `{template.name.text}` is never used"
                log.report("FFEW002", message, formal.name.span)
