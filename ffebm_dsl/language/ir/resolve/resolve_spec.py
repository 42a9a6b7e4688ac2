"""Program (AST) -> resolved spec: names bound, templates expanded, arguments evaluated."""

from __future__ import annotations

from collections.abc import Mapping

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.resolve.header import stated_version, use_packages
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
from ffebm_dsl.language.syntax import ast


def resolve(program: ast.Program, overrides: Mapping[str, str], log: Log) -> ResolvedSpec:
    """The spec that ``program`` states; faults go to ``log``, faulty parts become None."""
    version = stated_version(program, log)
    uses = of_type(program.items, ast.Use)
    used = use_packages(uses, log)
    packages = Packages(frozenset(package.name for package in used), len(used) == len(uses))
    params = of_type(program.items, ast.Param)
    section = at_most_one(program.items, ast.Train, "train", log)
    text = at_most_one(program.items, ast.Model, "model", log)
    stated = {type(s).__name__.lower(): s.span for s in reversed(text.statements if text else ())}
    blocks = _blocks(text)
    named = [p.name.text for p in params]
    given = read_overrides(overrides, named, packages, stated, blocks, log)
    of_params = {o.key.name: o for o in given if o.key.owner == "param"}
    values = resolve_params(params, of_params, log)
    scope = Scope(log, values, packages)
    templates = _templates(program, log)
    of_train = [o for o in given if o.key.owner == "train"]
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
