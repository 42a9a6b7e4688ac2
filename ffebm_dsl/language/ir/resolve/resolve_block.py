"""The statements of one block, written out or expanded from a template."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Label, Span
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import Shape
from ffebm_dsl.language.ir.resolve.bind import bind_call, find, value_of
from ffebm_dsl.language.ir.resolve.edits import rewrite, set_arrow
from ffebm_dsl.language.ir.resolve.overrides import Override, set_statements
from ffebm_dsl.language.ir.resolve.ports import Ports, declare
from ffebm_dsl.language.ir.resolve.resolved import (
    ResolvedBlock,
    ResolvedCoupling,
    ResolvedDrive,
    ResolvedLayer,
    ResolvedMap,
    ResolvedOutput,
    ResolvedTerm,
)
from ffebm_dsl.language.ir.resolve.scope import Scope, facts
from ffebm_dsl.language.ir.resolve.statements import (
    Inherited,
    at_most_one,
    of_type,
    override_settings,
    resolve_chain,
    resolve_map,
    resolve_settings,
)
from ffebm_dsl.language.registry import CONNECTIONS, ENERGIES, Kind, Parameter
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE
from ffebm_dsl.language.syntax import ast


class BlockText(NamedTuple):
    """A block to resolve: its name, its statements, and what they can see.

    ``overrides`` are written where a template is used, and see ``outer``; ``set`` are those of
    ``--set``.
    """

    name: ast.Ident
    statements: tuple[ast.BlockStatement, ...]
    scope: Scope
    ports: Ports
    settings: Inherited
    expansion: Label | None = None
    overrides: tuple[ast.Relax | ast.Gradient | ast.Init, ...] = ()
    outer: Scope | None = None
    set: Sequence[Override] = ()


def resolve_block(text: BlockText) -> ResolvedBlock:
    """Bind every name of a block; faulty parts are reported and left out."""
    log, outer = text.scope.log, text.outer or text.scope
    before = log.reports.total()
    names = {} if text.expansion else dict.fromkeys(text.ports.outputs, _OUTSIDE)
    maps, ports = _maps(text, names)
    energy = at_most_one(text.statements, ast.EnergyStatement, "energy", log)
    kind = find(ENERGIES, energy.kind, text.scope) if energy else None
    inside = energy.statements if energy else ()
    layers = _layers(of_type(inside, ast.LayerStatement), names, text.scope)
    unique = UniqueNames({m.name for m in maps})
    ends = _Ends(tuple(layer.name for layer in layers), ports, unique, text.scope)
    settings = override_settings(text.settings, text.statements, text.scope)
    settings = override_settings(settings, text.overrides, outer)
    settings = set_statements(settings, text.set, text.name.span, outer.log)
    couplings = [ends.coupling(c) for c in of_type(inside, ast.CouplingStatement)]
    drives = [ends.drive(d) for d in of_type(inside, ast.DriveStatement)]
    terms = [ends.term(t) for t in of_type(inside, ast.TermStatement)]
    outputs = _outputs(text, maps, ends)
    return ResolvedBlock(
        name=text.name.text,
        span=text.name.span,
        expansion=text.expansion,
        maps=maps,
        energy=kind.name if kind else None,
        energy_span=energy.kind.span if energy else text.name.span,
        device=energy.device if energy else None,
        layers=layers,
        couplings=tuple(c for c in couplings if c),
        drives=tuple(d for d in drives if d),
        terms=tuple(t for t in terms if t),
        outputs=outputs,
        free=settings.relax("free"),
        nudged=settings.relax("nudged"),
        gradient=settings.gradient,
        init=settings.init,
        own=settings.own,
        changed=settings.changed,
        # A kind that a missing package may have is no fault of the text, and not known.
        whole=log.reports.total() == before and (energy is None or kind is not None),
    )


_OUTSIDE = Span(-1, -1)
"""Place of a name that was declared outside the block."""


def _maps(text: BlockText, names: dict[str, Span]) -> tuple[tuple[ResolvedMap, ...], Ports]:
    """The block's feedforward maps in order, and the ports visible after them."""
    ports = text.ports
    maps = []
    for statement in of_type(text.statements, ast.Feedforward):
        port = f"{text.name.text}.{statement.name.text}"
        map_ = resolve_map(statement, port, ports, text.scope)
        fresh = _declare_inside(names, statement.name, text.scope.log)
        maps += [map_] if fresh else []
        ports = ports.with_map(map_.name, port if fresh else None)
    return tuple(maps), ports


def _declare_inside(names: dict[str, Span], name: ast.Ident, log: Log) -> bool:
    if names.get(name.text) == _OUTSIDE:
        log.report(
            "FFE1003",
            f"the name `{name.text}` is taken by a port outside the block",
            name.span,
            help="choose another name",
        )
        return False
    return declare(names, name, log)


def _layers(
    statements: list[ast.LayerStatement], names: dict[str, Span], scope: Scope
) -> tuple[ResolvedLayer, ...]:
    layers = []
    for statement in statements:
        shape = _shape(statement.shape, scope)
        activation = bind_call(statement.activation, "activations", scope)
        if _declare_inside(names, statement.name, scope.log):
            known = facts(statement.shape.items, scope)
            place = statement.shape.span
            name = statement.name
            layers.append(ResolvedLayer(name.text, shape, activation, name.span, place, known))
    return tuple(layers)


_SIZE = Parameter("size", Kind.INT, "", bounds=AT_LEAST_ONE)


def _shape(written: ast.ListExpression, scope: Scope) -> Shape | None:
    sizes = [value_of(item, _SIZE, scope) for item in written.items]
    if len(written.items) not in (1, 2, 3):
        scope.log.report(
            "FFE2005",
            f"a layer's shape has one to three sizes, and this one has {len(written.items)}",
            written.span,
            help="write [features], [tokens, features], [channels, length] or "
            "[channels, height, width]",
        )
        return None
    shape = tuple(size for size in sizes if isinstance(size, int))
    return shape if len(shape) == len(written.items) else None


class _Ends(NamedTuple):
    """Resolves the ends of drives and couplings of one block."""

    layers: tuple[str, ...]
    ports: Ports
    unique: UniqueNames
    scope: Scope

    def is_layer(self, reference: ast.Reference) -> bool:
        return reference.member is None and reference.name.text in self.layers

    def layer(self, name: ast.Ident | ast.Reference, role: str) -> str | None:
        """The layer called ``name``; None after reporting that there is none."""
        text = name.text if isinstance(name, ast.Ident) else str(name)
        if text in self.layers:
            return text
        if self.layers:
            message = f"{role} `{text}` is not a layer of this block"
            self.scope.log.report_unknown("FFE1018", message, name.span, text, self.layers)
        return None

    def drive(self, statement: ast.DriveStatement) -> ResolvedDrive | None:
        if self.is_layer(statement.source):
            self._report_drive_between_layers(statement)
            return None
        chain = resolve_chain(statement.ops, statement, self.scope, coupling=True)
        source = self.ports.resolve(statement.source, self.scope.log)
        target = self.layer(statement.target, "the drive's target")
        settings = resolve_settings(CONNECTIONS["drive"], statement, self.scope)
        if target is None:
            return None
        # The block's own map by its name, another block's unnamed output by the block's.
        owner, _, member = (source.name or "").rpartition(".")
        name = self.unique.new(f"{owner if member == 'out' else member}_{target}")
        return ResolvedDrive(name, source, target, chain, settings, statement.span)

    def term(self, statement: ast.TermStatement) -> ResolvedTerm | None:
        call = bind_call(statement.call, "terms", self.scope)
        layer = self.layer(statement.layer, "the layer of a term")
        if layer is None:
            return None
        name = self.unique.new(f"{layer}_{statement.call.name.text}")
        return ResolvedTerm(name, layer, call, statement.span)

    def _report_drive_between_layers(self, statement: ast.DriveStatement) -> None:
        self.scope.log.report(
            "FFE3001",
            f"`{statement.source} -> {statement.target}` is one-way between two layers, "
            "which no energy has",
            statement.span,
            notes=("one-way drives come from feedforward maps and other ports",),
            help=f"write `{statement.source} <-> {statement.target}`",
            fix=set_arrow(statement, "<->", self.scope.log.source),
        )

    def coupling(self, statement: ast.CouplingStatement) -> ResolvedCoupling | None:
        text = f"{statement.source} <-> {statement.target}"
        chain = resolve_chain(statement.ops, statement, self.scope, coupling=True)
        ends = [self._end(end, statement) for end in (statement.source, statement.target)]
        if ends[0] is None or ends[1] is None:
            return None
        settings = resolve_settings(CONNECTIONS["coupling"], statement, self.scope)
        name = self.unique.new(f"{ends[0]}_{ends[1]}")
        return ResolvedCoupling(name, text, ends[0], ends[1], chain, settings, statement.span)

    def _end(self, end: ast.Reference, statement: ast.CouplingStatement) -> str | None:
        name = end.name.text
        if self.is_layer(end) or name not in self.ports.outputs:
            return self.layer(end, "the coupling's end")
        other = statement.target if end is statement.source else statement.source
        drive, is_drive = f"{end} -> {other}", self.is_layer(other) and not statement.ops
        self.scope.log.report(
            "FFE3002",
            f"a coupling joins layers, and `{end}` is a port",
            end.span,
            help=f"a port drives a layer one way: `{drive}`",
            fix=rewrite(statement.span, drive, self.scope.log.source) if is_drive else None,
        )
        return None


def _outputs(
    text: BlockText, maps: tuple[ResolvedMap, ...], ends: _Ends
) -> tuple[ResolvedOutput, ...]:
    """The block's outputs; ports share the block's prefix, so names of maps are taken."""
    log = text.scope.log
    taken = {m.name: m.span for m in maps}
    outputs = []
    for statement in of_type(text.statements, ast.Out):
        layer = ends.layer(statement.layer, "the output's source")
        if statement.name is None:
            if "out" in taken:
                label = Label(taken["out"], "first stated here")
                log.report("FFE1015", "`out` is stated twice", statement.span, labels=[label])
                continue
            taken["out"] = statement.span
            outputs.append(ResolvedOutput("out", layer, statement.layer.span))
        elif declare(taken, statement.name, log):
            outputs.append(ResolvedOutput(statement.name.text, layer, statement.layer.span))
    return tuple(outputs)


class UniqueNames:
    """Names of couplings, drives and ops: ``s1_s2``, and ``s1_s2_2`` where that is taken."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._used: dict[str, int] = {}  # by stem: a search from 1 each time would be quadratic

    def new(self, stem: str) -> str:
        count = self._used.get(stem, 0) + 1
        while (name := stem if count == 1 else f"{stem}_{count}") in self._taken:
            count += 1
        self._used[stem] = count
        self._taken.add(name)
        return name
