"""The statements of a model, in order of computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.diagnostics.fix import replace as replaced
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.resolve.bind import BoundCall, bind_arguments, bind_call, find, value_of
from ffebm_dsl.language.ir.resolve.overrides import Override, set_statements
from ffebm_dsl.language.ir.resolve.ports import Ports, declare
from ffebm_dsl.language.ir.resolve.resolve_block import BlockText, resolve_block
from ffebm_dsl.language.ir.resolve.resolved import (
    ResolvedBlock,
    ResolvedEnd,
    ResolvedLoss,
    ResolvedMap,
    ResolvedModel,
    ResolvedPort,
)
from ffebm_dsl.language.ir.resolve.scope import Scope
from ffebm_dsl.language.ir.resolve.statements import (
    Inherited,
    at_most_one,
    of_type,
    override_settings,
    resolve_map,
)
from ffebm_dsl.language.ir.resolve.templates import Templates, expand
from ffebm_dsl.language.registry import LOSSES, Kind, Parameter
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE
from ffebm_dsl.language.syntax import ast


def resolve_model(
    model: ast.Model,
    templates: Templates,
    overrides: Sequence[Override],
    scope: Scope,
) -> ResolvedModel:
    """Bind every name of the model; faulty parts are reported and become None."""
    names: dict[str, Span] = {}
    inputs = of_type(model.statements, ast.Input)
    target = at_most_one(model.statements, ast.Target, "target", scope.log)
    loss = at_most_one(model.statements, ast.Loss, "loss", scope.log)
    inputs = [end for end in inputs if declare(names, end.name, scope.log)]
    if target is not None:
        declare(names, target.name, scope.log)
    _report_missing(model, {"input": inputs, "target": target, "loss": loss}, scope.log)
    settings = override_settings(Inherited(), model.statements, scope)
    of_model = [o for o in overrides if o.owner == "model"]
    settings = set_statements(settings, of_model, model.name.span, scope.log)
    ports = Ports(hidden=_not_yet(model, target, scope.log), silent=not inputs)
    for end in inputs:
        ports = ports.with_map(end.name.text, end.name.text)
    inherited = replace(settings, own={}, changed={})
    stages = _Stages(templates, scope, inherited, overrides, names, ports)
    found = [stage for s in model.statements if (stage := stages.resolve(s)) is not None]
    readouts = of_type(model.statements, ast.Readout)
    maps = [map_ for readout in readouts if (map_ := stages.map(readout)) is not None]
    losses = _losses(loss, stages.ports, target, scope) if loss else ()
    # What the first loss is of is the prediction.
    first = losses[0].prediction.name if losses else None
    readout = next((m for m in maps if m.name == first), maps[0] if maps else None)
    return ResolvedModel(
        name=model.name.text,
        span=model.name.span,
        inputs=tuple(_end(end, "inputs", scope) for end in inputs),
        target=_end(target, "targets", scope) if target else None,
        stages=tuple(found),
        readout=readout,
        auxiliary=tuple(m for m in maps if m is not readout),
        losses=losses,
        init=settings.init,
        changed=settings.changed,
    )


def _report_missing(model: ast.Model, wanted: Mapping[str, object], log: Log) -> None:
    examples = {
        "input": "input x: image(1, 8, 8)",
        "target": "target y: label(10)",
        "loss": "loss = cross_entropy(logits, y)",
    }
    for name, statement in wanted.items():
        if not statement:
            log.report(
                "FFE1014",
                f"model `{model.name.text}` has no `{name}` statement",
                model.name.span,
                help=f"add one, such as `{examples[name]}`",
            )


def _not_yet(model: ast.Model, target: ast.Target | None, log: Log) -> dict[str, str]:
    """Why names of the model cannot be read: declared further down, or the target."""
    reasons = {}
    for statement in model.statements:
        if isinstance(statement, ast.Feedforward | ast.Block | ast.Instance | ast.Readout):
            line, _ = log.source.position(statement.span.start)
            reasons[statement.name.text] = (
                f"`{statement.name.text}` is declared on line {line}; "
                "stages are in the order of computation"
            )
    if target is not None:
        reasons[target.name.text] = f"`{target.name.text}` is the target: only the loss reads it"
    return reasons


def _end(statement: ast.Input | ast.Target, table: str, scope: Scope) -> ResolvedEnd:
    kind = bind_call(statement.kind, table, scope)
    name, named = statement.name.text, statement.name.span
    if kind is None:
        return ResolvedEnd(name, "", None, named, named)
    sizes = tuple(size for size in kind.arguments.values() if isinstance(size, int))
    return ResolvedEnd(name, kind.name, sizes, statement.kind.span, named)


@dataclass
class _Stages:
    """Resolves stages in order; ``names`` are those taken so far, and ``ports`` those that the next
    statement can read. ``settings`` are what blocks inherit."""

    templates: Templates
    scope: Scope
    settings: Inherited
    overrides: Sequence[Override]
    names: dict[str, Span]
    ports: Ports

    def resolve(self, statement: ast.ModelStatement) -> ResolvedMap | ResolvedBlock | None:
        """The map or block; None for other statements, and after a fault."""
        if isinstance(statement, ast.Feedforward):
            return self.map(statement)
        text: BlockText | None
        if isinstance(statement, ast.Block):
            text = BlockText(
                statement.name, statement.statements, self.scope, self.ports, self.settings
            )
        elif isinstance(statement, ast.Instance):
            text = expand(statement, self.templates, self.scope, self.ports, self.settings)
        else:
            return None
        name = statement.name.text
        fresh = declare(self.names, statement.name, self.scope.log)
        own = [o for o in self.overrides if o.block == name]
        block = resolve_block(text._replace(set=own)) if text else None
        if not fresh:
            return None
        outputs = _visible_outputs(block) if block else None
        self.ports = self.ports.with_outputs(name, outputs)
        return block

    def map(self, statement: ast.Feedforward | ast.Readout) -> ResolvedMap | None:
        """The map, entered as a port; None where its name is taken."""
        name = statement.name.text
        map_ = resolve_map(statement, name, self.ports, self.scope)
        if not declare(self.names, statement.name, self.scope.log):
            return None
        self.ports = self.ports.with_map(name, name)
        return map_


def _visible_outputs(block: ResolvedBlock) -> dict[str, str | None] | None:
    """The block's ports by member; None where a faulty block may have had others."""
    if not block.outputs and (not block.whole or block.energy is None):
        return None
    outputs: dict[str, str | None] = {}
    for output in block.outputs:
        member = "" if output.name == "out" else output.name
        outputs[member] = f"{block.name}.{output.name}" if output.layer else None
    return outputs or None


_WEIGHT = Parameter("weight", Kind.REAL, "", bounds=NOT_NEGATIVE)


def _losses(
    statement: ast.Loss, ports: Ports, target: ast.Target | None, scope: Scope
) -> tuple[ResolvedLoss, ...]:
    """The terms of the loss; none where one of them is faulty."""
    losses = [_loss(term, ports, target, scope) for term in statement.terms]
    whole = [loss for loss in losses if loss is not None]
    return tuple(whole) if len(whole) == len(losses) else ()


def _loss(
    term: ast.Weighted, ports: Ports, target: ast.Target | None, scope: Scope
) -> ResolvedLoss | None:
    """``weight * name(prediction, target, ...)``; the first two are ports, so they bind here."""
    weight = value_of(term.weight, _WEIGHT, scope) if term.weight else 1.0
    call = _loss_call(term.loss, scope)
    ends = [argument.value for argument in term.loss.arguments[:2]]
    if call is None or not isinstance(weight, float):
        return None
    prediction, truth = (end for end in ends if isinstance(end, ast.Reference))
    if target is not None and str(truth) != target.name.text:
        scope.log.report(
            "FFE1002",
            f"`{truth}` is not the model's target",
            truth.span,
            help=f"the target is `{target.name.text}`",
            fix=replaced(truth.span, target.name.text),
        )
    port = ports.resolve(prediction, scope.log)
    return ResolvedLoss(call, ResolvedPort(port.name, prediction.span), weight, term.loss.span)


def _loss_call(call: ast.Call, scope: Scope) -> BoundCall | None:
    """The loss without its ends, which are two ports, by position."""
    construct = find(LOSSES, call.name, scope)
    if construct is None:
        return None
    ends: Sequence[ast.Argument] = call.arguments[:2]
    if len(ends) < 2 or any(a.name or not isinstance(a.value, ast.Reference) for a in ends):
        scope.log.report(
            "FFE1007",
            f"`{call.name.text}` takes what is predicted and the target",
            call.span,
            help=f"write `loss = {call.name.text}(logits, y)`",
        )
        return None
    signature = replace(construct, parameters=construct.settings)
    return bind_arguments(signature, call, call.arguments[2:], scope)
