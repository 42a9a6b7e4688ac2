"""The resolved network: what a spec means, complete and without the text it came from.

Every name is bound, every template expanded, every default filled in, every shape
known. ``None`` never means a default. Two specs that mean the same
network have equal ``SpecIR``.

**Ports.** A tensor that flows between digital maps and energy blocks is named by a
string: an input or a model-level feedforward map by its name (``"x"``), a feedforward
map inside block ``b1`` by ``"b1.u"``, and an output of block ``b1`` by ``"b1.out"`` (the
unnamed one) or ``"b1.skip"`` (a named one).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ffebm_dsl.language.registry import OPS
from ffebm_dsl.language.registry.shapes import CallIR as CallIR
from ffebm_dsl.language.registry.shapes import OpIR as OpIR
from ffebm_dsl.language.registry.shapes import Shape as Shape
from ffebm_dsl.language.registry.shapes import Value as Value


@dataclass(frozen=True)
class FeedforwardIR:
    """A digital map: a chain of ops on the tensor at port ``source``. ``ops`` may be empty."""

    name: str
    source: str
    ops: tuple[OpIR, ...]
    in_shape: Shape
    out_shape: Shape

    @property
    def sources(self) -> tuple[str, ...]:
        """Every port that it reads: ``source``, then those that its ops join, in order."""
        joins = (op for op in self.ops if OPS[op.name].joins)
        return (self.source, *(op.arguments["port"] for op in joins))


@dataclass(frozen=True)
class LayerIR:
    """A layer of an energy block: its state's shape and its activation."""

    name: str
    shape: Shape
    activation: CallIR


@dataclass(frozen=True)
class CouplingIR:
    """A symmetric coupling: adds ``<ops(s_source), s_target>`` to phi.

    ``name`` is unique in the block: ``s1_s2``, and ``s1_s2_2`` for a second coupling of
    the same pair. ``source == target`` is a lateral coupling. ``settings`` are the values of all
    parameters of the connection ``coupling``.
    """

    name: str
    source: str
    target: str
    ops: tuple[OpIR, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class DriveIR:
    """A one-way drive: adds ``<ops(u), s_layer>`` to phi, with u the tensor at port ``source``.

    ``name`` is unique in the block, as a coupling's: ``u_s1``. Most drives have no ops.
    ``settings`` are the values of all parameters of the connection ``drive``.
    """

    name: str
    source: str
    layer: str
    ops: tuple[OpIR, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class TermIR:
    """A term of one layer in phi; ``name`` is unique in the block: ``z_memory``."""

    name: str
    layer: str
    call: CallIR


@dataclass(frozen=True)
class OutputIR:
    """A layer's state handed on by the block; ``name`` is ``"out"`` for the unnamed output."""

    name: str
    layer: str


@dataclass(frozen=True)
class RelaxIR:
    """How a phase is relaxed.

    ``tolerance`` 0 means: always ``sweeps`` sweeps. ``routing``, ``solver`` and
    ``noise`` are calls of constructs. ``start`` is ``zeros`` or ``feedforward`` for a
    free phase, ``free state`` for a nudged one.
    """

    sweeps: int
    tolerance: float
    order: str
    damping: float
    over_relaxation: float
    routing: CallIR
    solver: CallIR
    noise: tuple[CallIR, ...]
    start: str


IDEAL = "ideal"
"""The hardware without any imperfection."""


@dataclass(frozen=True)
class BlockIR:
    """An energy block with the feedforward maps that drive it.

    ``energy`` names its kind, ``hardware`` the device that it is on; ``gradient`` and ``init`` are
    calls of a gradient estimator and an initialiser.
    """

    name: str
    feedforwards: tuple[FeedforwardIR, ...]
    energy: str
    hardware: str
    layers: tuple[LayerIR, ...]
    couplings: tuple[CouplingIR, ...]
    drives: tuple[DriveIR, ...]
    terms: tuple[TermIR, ...]
    outputs: tuple[OutputIR, ...]
    free: RelaxIR
    nudged: RelaxIR
    gradient: CallIR
    init: CallIR


@dataclass(frozen=True)
class InputIR:
    """``image(channels, height, width)`` or ``vector(features)``."""

    name: str
    kind: str
    shape: Shape


@dataclass(frozen=True)
class TargetIR:
    """``label(size)``: class indices below ``size``; ``vector(size)``: that many real numbers."""

    name: str
    kind: str
    size: int


@dataclass(frozen=True)
class LossIR:
    """A term of the loss: ``weight`` times the loss ``call`` of a readout against the target."""

    readout: str
    weight: float
    call: CallIR


@dataclass(frozen=True)
class ModelIR:
    """A whole network: stages in order of computation, then readouts and loss.

    ``readout`` is the network's prediction, ``auxiliary`` what only the loss reads, and the
    loss the sum of ``losses``, the first of which is of ``readout``.
    ``inputs`` are in the order in which the network is given them.
    A spec without a readout has one of no ops whose source is what the loss is taken of.
    ``init`` serves the readouts and the model-level feedforward maps.
    """

    name: str
    inputs: tuple[InputIR, ...]
    target: TargetIR
    stages: tuple[FeedforwardIR | BlockIR, ...]
    readout: FeedforwardIR
    auxiliary: tuple[FeedforwardIR, ...]
    losses: tuple[LossIR, ...]
    init: CallIR

    @property
    def readouts(self) -> tuple[FeedforwardIR, ...]:
        return (self.readout, *self.auxiliary)

    @property
    def blocks(self) -> Iterator[BlockIR]:
        return (stage for stage in self.stages if isinstance(stage, BlockIR))


@dataclass(frozen=True)
class TrainIR:
    """How the network is trained: data, optimizer and schedule are registry calls.

    ``warmup``, ``eval_every`` and ``checkpoint_every`` count epochs, ``patience`` evaluations;
    ``diagnose_every`` counts steps between gradient diagnostics, 0 for none, or is ``auto``.
    ``clip_norm`` bounds the norm of the whole gradient, 0 for no bound. ``on_bad_step`` is what
    to do about a step whose numbers go wrong.
    """

    data: CallIR
    optimizer: CallIR
    schedule: CallIR
    on_bad_step: CallIR
    epochs: int
    seed: int
    warmup: float
    clip_norm: float
    eval_every: int
    patience: int
    checkpoint_every: int
    diagnose_every: int | str


@dataclass(frozen=True)
class PackageIR:
    """A package whose constructs the spec uses: the ``least`` version that the text names, and
    the ``version`` that was found."""

    name: str
    least: str
    version: str


@dataclass(frozen=True)
class SpecIR:
    """A resolved spec. ``train`` is None where the text has no train section.

    ``packages`` are in the order of their names. ``hardware`` is calls by the names of the devices,
    with every key. ``parameters`` are the values of the spec's
    ``param`` declarations, overrides applied.
    """

    version: str
    packages: tuple[PackageIR, ...]
    parameters: dict[str, bool | int | float]
    hardware: tuple[CallIR, ...]
    model: ModelIR
    train: TrainIR | None

    def ideal(self) -> SpecIR:
        """The same with every block on ideal hardware."""
        stages = tuple(
            replace(stage, hardware=IDEAL) if isinstance(stage, BlockIR) else stage
            for stage in self.model.stages
        )
        return replace(self, hardware=(), model=replace(self.model, stages=stages))
