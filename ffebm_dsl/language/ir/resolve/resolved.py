"""A spec with every name bound and every template expanded, still with its places.

The form between the AST and :class:`~ffebm_dsl.language.ir.model.SpecIR`. Here None means that a
part is faulty: the fault has been reported, and what depends on the part reports nothing.
Shapes of chains are added by :mod:`~ffebm_dsl.language.ir.check.infer_shapes`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ffebm_dsl.language.diagnostics import Label, Span
from ffebm_dsl.language.ir.model import CallIR, OpIR, PackageIR, RelaxIR, Shape
from ffebm_dsl.language.ir.resolve.bind import BoundCall, Values
from ffebm_dsl.language.ir.resolve.scope import Scalar
from ffebm_dsl.language.registry import OPS
from ffebm_dsl.language.syntax import ast


class ResolvedPort(NamedTuple):
    """A use of a port: its IR name (None where it is unknown), and where it is used."""

    name: str | None
    span: Span


class ResolvedChain(NamedTuple):
    """Ops in order. ``shaped`` are the same ops between known shapes, once they are."""

    ops: tuple[BoundCall | None, ...]
    span: Span
    shaped: tuple[OpIR, ...] | None = None


class ResolvedMap(NamedTuple):
    """A feedforward map or readout. ``port`` is the IR name of its result."""

    name: str
    port: str
    source: ResolvedPort
    chain: ResolvedChain
    span: Span
    in_shape: Shape | None = None
    out_shape: Shape | None = None

    @property
    def sources(self) -> tuple[ResolvedPort, ...]:
        """Every port that it reads, its ``source`` first."""
        joins = (op for op in self.chain.ops if op is not None and OPS[op.name].joins)
        ports = (ResolvedPort(str(op.arguments["port"]), op.places["port"]) for op in joins)
        return (self.source, *ports)


class ResolvedLayer(NamedTuple):
    name: str
    shape: Shape | None
    activation: BoundCall | None
    span: Span
    shape_span: Span
    facts: tuple[str, ...]


class ResolvedCoupling(NamedTuple):
    """``name`` is the IR name, ``text`` what a message calls it: ``s1 <-> s2``."""

    name: str
    text: str
    source: str
    target: str
    chain: ResolvedChain
    settings: Values
    span: Span


class ResolvedDrive(NamedTuple):
    name: str
    source: ResolvedPort
    layer: str
    chain: ResolvedChain
    settings: Values
    span: Span


class ResolvedTerm(NamedTuple):
    name: str
    layer: str
    call: BoundCall | None
    span: Span


class ResolvedOutput(NamedTuple):
    name: str
    layer: str | None
    span: Span


class ResolvedBlock(NamedTuple):
    """``energy`` is None where there is none, or a faulty one.

    ``device`` is the hardware that it is on. ``own`` are the places of what the block states
    itself and does not inherit: ``gradient``, ``init``, ``relax.free.sweeps``. ``changed`` are the
    places of the overrides that change something of it, by such names.
    ``whole`` says that no part was dropped as faulty, so that a missing drive or output
    is missing in the text too. ``expansion`` is where a template was expanded.
    """

    name: str
    span: Span
    expansion: Label | None
    maps: tuple[ResolvedMap, ...]
    energy: str | None
    energy_span: Span
    device: ast.Ident | None
    layers: tuple[ResolvedLayer, ...]
    couplings: tuple[ResolvedCoupling, ...]
    drives: tuple[ResolvedDrive, ...]
    terms: tuple[ResolvedTerm, ...]
    outputs: tuple[ResolvedOutput, ...]
    free: RelaxIR
    nudged: RelaxIR
    gradient: BoundCall | None
    init: BoundCall
    own: dict[str, Span]
    changed: dict[str, Span]
    whole: bool

    @property
    def connections(self) -> tuple[ResolvedCoupling | ResolvedDrive, ...]:
        return (*self.couplings, *self.drives)

    def layer(self, name: str) -> ResolvedLayer:
        return next(layer for layer in self.layers if layer.name == name)


class ResolvedEnd(NamedTuple):
    """An input or the target: its name, kind and, where known, its shape.

    ``span`` is where the kind is, ``named`` where the name.
    """

    name: str
    kind: str
    shape: Shape | None
    span: Span
    named: Span


class ResolvedLoss(NamedTuple):
    """A term of the loss; its ``weight`` is 1 where none is written.

    ``shape`` is that of the prediction, once it is known.
    """

    call: BoundCall
    prediction: ResolvedPort
    weight: float
    span: Span
    shape: Shape | None = None


class ResolvedModel(NamedTuple):
    """``readout``, of which the first of the ``losses`` is, is None where the text has none; that
    loss then reads its ``prediction``. ``losses`` are empty where one is faulty. ``changed`` is as
    in a block."""

    name: str
    span: Span
    inputs: tuple[ResolvedEnd, ...]
    target: ResolvedEnd | None
    stages: tuple[ResolvedMap | ResolvedBlock, ...]
    readout: ResolvedMap | None
    auxiliary: tuple[ResolvedMap, ...]
    losses: tuple[ResolvedLoss, ...]
    init: BoundCall
    changed: dict[str, Span]

    @property
    def blocks(self) -> list[ResolvedBlock]:
        return [stage for stage in self.stages if isinstance(stage, ResolvedBlock)]

    @property
    def readouts(self) -> tuple[ResolvedMap, ...]:
        """The readouts of the text, that of the first loss at the head."""
        return (self.readout, *self.auxiliary) if self.readout else ()


class ResolvedDevice(NamedTuple):
    """A hardware section: its name and keys, None after a fault, and where its name is."""

    ir: CallIR | None
    span: Span


class ResolvedTrain(NamedTuple):
    """``places``: where each key's value is, in the spec or in an override."""

    data: CallIR
    optimizer: CallIR
    schedule: CallIR
    on_bad_step: CallIR
    numbers: dict[str, Any]
    places: dict[str, Span]


class ResolvedSpec(NamedTuple):
    version: str
    packages: tuple[PackageIR, ...]
    parameters: dict[str, Scalar]
    hardware: dict[str, ResolvedDevice]
    model: ResolvedModel | None
    train: ResolvedTrain | None
