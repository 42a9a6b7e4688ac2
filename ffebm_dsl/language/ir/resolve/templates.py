"""``block b = template(arguments)`` -> the text of a block."""

from __future__ import annotations

from collections.abc import Mapping

from ffebm_dsl.language.diagnostics import Label, Span
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.resolve.bind import match_parameters, value_of
from ffebm_dsl.language.ir.resolve.params import as_parameter
from ffebm_dsl.language.ir.resolve.ports import Ports, declare
from ffebm_dsl.language.ir.resolve.resolve_block import BlockText
from ffebm_dsl.language.ir.resolve.scope import Bound, Scope
from ffebm_dsl.language.ir.resolve.statements import Inherited
from ffebm_dsl.language.registry import Construct, Kind
from ffebm_dsl.language.syntax import ast

Templates = Mapping[str, ast.Template]


def expand(
    instance: ast.Instance,
    templates: Templates,
    scope: Scope,
    ports: Ports,
    settings: Inherited,
) -> BlockText | None:
    """The block that a template makes of the arguments; None where those are not its formals'.

    The template's statements see its formals and the spec's params, nothing else of the
    model. ``settings`` are the model's; the template's own statements override them.
    """
    name, log = instance.template.name, scope.log
    template = templates.get(name.text)
    if template is None:
        message = f"no template is called `{name.text}`"
        log.report_unknown("FFE1013", message, name.span, name.text, templates)
        return None
    log.used.add(template.name.span)
    formals = _formal_parameters(template, log)
    given = _arguments(instance.template, template, formals, log) if formals else None
    if formals is None or given is None:
        return None
    values, visible = _bind_formals(instance, template, formals, given, scope, ports)
    expansion = Label(instance.name.span, f"template `{name.text}` is expanded here")
    return BlockText(
        instance.name,
        template.statements,
        Scope(log.within(expansion), values, scope.packages),
        visible,
        settings,
        expansion,
        instance.overrides,
        scope,
    )


def _formal_parameters(template: ast.Template, log: Log) -> Construct | None:
    """The parameters of the template; None after a fault in one of its formals."""
    names: dict[str, Span] = {}
    formals = []
    for formal in template.formals:
        parameter = as_parameter(formal.name.text, formal.type, log, extra=("port",))
        if declare(names, formal.name, log) and parameter is not None:
            formals.append(parameter)
    whole = len(formals) == len(template.formals)
    return Construct(template.name.text, "", tuple(formals)) if whole else None


def _arguments(
    call: ast.Call, template: ast.Template, formals: Construct, log: Log
) -> dict[str, ast.Expression] | None:
    """The argument of each formal; None after one too many, too few, or unknown."""
    title = f"template `{template.name.text}`"
    given, right = match_parameters(formals, title, call.arguments, log)
    missing = [name for name in formals.names if name not in given]
    if missing and right:
        log.report(
            "FFE1007",
            f"{title} needs `{missing[0]}`",
            call.span,
            labels=[Label(template.name.span, "declared here")],
        )
    if missing or not right:
        return None
    return {name: argument.value for name, argument in given.items()}


def _bind_formals(
    instance: ast.Instance,
    template: ast.Template,
    formals: Construct,
    given: Mapping[str, ast.Expression],
    scope: Scope,
    ports: Ports,
) -> tuple[dict[str, Bound], Ports]:
    """The values and the ports that the template's statements see.

    A formal whose argument is faulty has the value None, as a faulty param has: what depends
    on it reports nothing.
    """
    values = dict(scope.values)
    why = "a template sees only what it is given: add a formal of type port"
    visible = Ports(hidden=dict.fromkeys(ports.outputs, why))
    line, _ = scope.log.source.position(instance.span.start)
    origin = f"argument of `{template.name.text}`, line {line}"
    for formal, declared in zip(formals.parameters, template.formals, strict=True):
        argument = given[formal.name]
        if formal.kind is not Kind.PORT:
            value = value_of(argument, formal, scope)
            known = value if isinstance(value, bool | int | float) else None
            values[formal.name] = Bound(known, declared.name.span, origin)
        elif isinstance(argument, ast.Reference):
            visible = visible.with_map(formal.name, ports.resolve(argument, scope.log).name)
        else:
            scope.log.report("FFE1009", f"`{formal.name}` takes a port", argument.span)
            visible = visible.with_map(formal.name, None)
    return values, visible


MAX_EXPANDED = 1 << 17
"""Characters that the blocks of a model may have, each template counted as often as it is used:
two hundred times a residual block."""

MAX_STAGES = 2000
"""Maps and blocks of a model."""


def expands_to_too_much(model: ast.Model, templates: Mapping[str, ast.Template], log: Log) -> bool:
    """Whether the model is more than a network could be; then that is reported.

    A short text can expand to a very long one: a long template used by many blocks.
    """
    size = stages = 0
    for statement in model.statements:
        if not isinstance(statement, ast.Block | ast.Instance | ast.Feedforward):
            continue
        stages += 1
        size += statement.span.end - statement.span.start
        if isinstance(statement, ast.Instance):
            template = templates.get(statement.template.name.text)
            size += template.span.end - template.span.start if template else 0
        if size <= MAX_EXPANDED and stages <= MAX_STAGES:
            continue
        limit = f"{MAX_STAGES} stages" if stages > MAX_STAGES else f"{MAX_EXPANDED} characters"
        log.report(
            "FFE6002",
            f"with `{statement.name.text}` model `{model.name.text}` has more than {limit}, "
            "templates expanded",
            statement.name.span,
            help="use shorter templates, or fewer blocks",
        )
        return True
    return False
