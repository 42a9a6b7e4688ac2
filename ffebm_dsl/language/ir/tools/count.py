"""The cost of a network: parameters, multiply-accumulates, crossings, memory.

Counted per sample from the IR alone. The conventions:

- A MAC is one multiplication with one addition in an op with a weight. Pooling,
  normalisation, activations and biases are not counted.
- **Digital** are the feedforward maps and readouts: their forward pass, once per
  step. Their backward pass is not counted, nor, under ``nudge=loss``, the readout of
  each nudged sweep.
- **Analog** is the relaxation. A sweep uses every coupling twice, forward on its
  target and adjoint on its source; the ops of a drive act once per phase. Phases that
  stop early take fewer sweeps than counted here.
- A **crossing** is a number that passes a converter: into the analog side the drives of
  each phase, and in a nudged phase the cotangents of the outputs; out of it the outputs
  after the free phase, and after each nudged phase the states of the driven layers, from
  which the cotangents of the drives are made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod

from ffebm_dsl.language.ir.model import (
    BlockIR,
    CouplingIR,
    FeedforwardIR,
    ModelIR,
    OpIR,
    Shape,
    TermIR,
)
from ffebm_dsl.language.registry import GRADIENTS, OPS, TERMS, Backward

FLOAT32_BYTES = 4


@dataclass(frozen=True)
class PartCount:
    """A part of the network. ``macs`` is one use: of a coupling forward or adjoint, of a term in
    each pre-activation of its layer, of a drive once per phase."""

    name: str
    parameters: int
    macs: int


@dataclass(frozen=True)
class MapCount(PartCount):
    """A feedforward map or a readout. ``activations``: numbers kept for its backward pass."""

    activations: int


@dataclass(frozen=True)
class DriveCount(PartCount):
    """A drive, with ``size`` numbers at its port."""

    size: int


@dataclass(frozen=True)
class PhaseCount:
    """A phase that a block runs ``runs`` times per step, with at most ``sweeps`` sweeps each.

    ``to_analog`` and ``to_digital`` are the crossings of one run.
    """

    name: str
    runs: int
    sweeps: int
    macs_per_sweep: int
    macs_per_run: int
    to_analog: int
    to_digital: int

    @property
    def macs(self) -> int:
        return self.runs * (self.macs_per_run + self.sweeps * self.macs_per_sweep)


@dataclass(frozen=True)
class AnalogTotal:
    """A sum over phases with all their runs and sweeps."""

    macs: int
    to_analog: int
    to_digital: int


@dataclass(frozen=True)
class BlockCount:
    """A block. ``phases`` are the free phase and what gives the gradient.

    ``drives`` and ``outputs`` are in the block's order, an output by its size; ``state`` is
    the number of units of all layers, ``stored_states`` that of all states held at once.
    """

    name: str
    maps: tuple[MapCount, ...]
    couplings: tuple[PartCount, ...]
    phases: tuple[PhaseCount, ...]
    drives: tuple[DriveCount, ...]
    terms: tuple[PartCount, ...]
    outputs: tuple[int, ...]
    state: int
    stored_states: int

    @property
    def digital_parameters(self) -> int:
        return sum(m.parameters for m in self.maps)

    @property
    def drive_size(self) -> int:
        """Numbers that drive the block."""
        return sum(drive.size for drive in self.drives)

    @property
    def analog_parameters(self) -> int:
        return sum(part.parameters for part in (*self.couplings, *self.terms, *self.drives))


@dataclass(frozen=True)
class ModelCount:
    """A network; ``maps`` are the model-level feedforward maps."""

    blocks: tuple[BlockCount, ...]
    maps: tuple[MapCount, ...]
    readout: MapCount
    auxiliary: tuple[MapCount, ...]

    @property
    def digital(self) -> tuple[MapCount, ...]:
        """Every digital map, in order of computation but for the blocks' between the model's."""
        of_blocks = (m for block in self.blocks for m in block.maps)
        return (*self.maps, *of_blocks, self.readout, *self.auxiliary)

    @property
    def digital_parameters(self) -> int:
        return sum(m.parameters for m in self.digital)

    @property
    def analog_parameters(self) -> int:
        return sum(block.analog_parameters for block in self.blocks)

    @property
    def parameters(self) -> int:
        return self.digital_parameters + self.analog_parameters

    @property
    def digital_macs(self) -> int:
        return sum(m.macs for m in self.digital)

    @property
    def free(self) -> AnalogTotal:
        """The free phases of all blocks, which are all that inference needs."""
        return _total(block.phases[0] for block in self.blocks)

    @property
    def step(self) -> AnalogTotal:
        """All phases of a training step."""
        return _total(phase for block in self.blocks for phase in block.phases)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all parameters at float32; their gradients take as much again."""
        return FLOAT32_BYTES * self.parameters

    @property
    def sample_bytes(self) -> int:
        """Bytes per sample at float32 of drives, stored states and activations."""
        analog = sum(block.drive_size + block.stored_states for block in self.blocks)
        return FLOAT32_BYTES * (analog + sum(m.activations for m in self.digital))


def count(model: ModelIR) -> ModelCount:
    """The cost of one training step of ``model``, per sample."""
    maps = (stage for stage in model.stages if isinstance(stage, FeedforwardIR))
    return ModelCount(
        blocks=tuple(count_block(block) for block in model.blocks),
        maps=tuple(count_map(stage) for stage in maps),
        readout=count_map(model.readout),
        auxiliary=tuple(map(count_map, model.auxiliary)),
    )


def count_map(feedforward: FeedforwardIR) -> MapCount:
    return MapCount(
        name=feedforward.name,
        parameters=sum(op_parameters(op) for op in feedforward.ops),
        macs=sum(op_macs(op) for op in feedforward.ops),
        activations=sum(prod(op.out_shape) for op in feedforward.ops),
    )


def count_block(block: BlockIR) -> BlockCount:
    sizes = {layer.name: prod(layer.shape) for layer in block.layers}
    couplings = tuple(
        PartCount(c.name, coupling_parameters(c), sum(map(op_macs, c.ops))) for c in block.couplings
    )
    drives = tuple(
        DriveCount(
            d.name,
            sum(map(op_parameters, d.ops)),
            sum(map(op_macs, d.ops)),
            prod(d.ops[0].in_shape) if d.ops else sizes[d.layer],
        )
        for d in block.drives
    )
    shapes = {layer.name: layer.shape for layer in block.layers}
    terms = tuple(_term(term, shapes[term.layer]) for term in block.terms)
    state = sum(sizes.values())
    return BlockCount(
        name=block.name,
        maps=tuple(count_map(feedforward) for feedforward in block.feedforwards),
        couplings=couplings,
        phases=_phases(block, sizes, couplings, drives, sum(t.macs for t in terms)),
        drives=drives,
        terms=terms,
        outputs=tuple(sizes[output.layer] for output in block.outputs),
        state=state,
        stored_states=state * (1 + backward(block).states),
    )


def _term(term: TermIR, shape: Shape) -> PartCount:
    known, arguments = TERMS[term.call.name], term.call.arguments
    parameters = known.count_parameters(arguments, shape)
    return PartCount(term.name, parameters, known.count_macs(arguments, shape))


def _total(phases: Iterable[PhaseCount]) -> AnalogTotal:
    listed = tuple(phases)
    return AnalogTotal(
        macs=sum(phase.macs for phase in listed),
        to_analog=sum(phase.runs * phase.to_analog for phase in listed),
        to_digital=sum(phase.runs * phase.to_digital for phase in listed),
    )


def _phases(
    block: BlockIR,
    sizes: dict[str, int],
    couplings: tuple[PartCount, ...],
    drives: tuple[DriveCount, ...],
    of_terms: int,
) -> tuple[PhaseCount, ...]:
    one_way, run = sum(c.macs for c in couplings), sum(d.macs for d in drives)
    sweep = 2 * one_way + of_terms
    # A pass from the first layer to the last goes through every coupling in one direction.
    first = run + (one_way if block.free.start == "feedforward" else 0)
    entering = sum(d.size for d in drives)
    outputs = sum(sizes[output.layer] for output in block.outputs)
    # Behind ops, a drive's cotangent is made on the analog side and read at its port.
    driven = sum(sizes[layer] for layer in {d.layer for d in block.drives if not d.ops})
    driven += sum(c.size for c, d in zip(drives, block.drives, strict=True) if d.ops)
    back = backward(block)
    return (
        PhaseCount("free", 1, block.free.sweeps, sweep, first, entering, outputs),
        PhaseCount(
            back.name,
            back.runs,
            back.sweeps,
            sweep,
            first if back.whole else run,
            entering + outputs,
            driven,
        ),
    )


def backward(block: BlockIR) -> Backward:
    """The phases from which the block's gradient is computed."""
    estimator = GRADIENTS[block.gradient.name]
    sweeps = block.free.sweeps, block.nudged.sweeps
    return estimator.backward(block.gradient.arguments, *sweeps)


def op_parameters(op: OpIR) -> int:
    """Trainable numbers of one op: weight and bias, or scale and shift."""
    return OPS[op.name].count_parameters(op)


def coupling_parameters(coupling: CouplingIR) -> int:
    """Trainable numbers of a coupling, those of a way back of its own included; none of a tied one,
    whose numbers are another coupling's."""
    if coupling.settings["tied_to"]:
        return 0
    own = coupling.settings["feedback"] == "own"
    return sum(op_parameters(op) + (backward_parameters(op) if own else 0) for op in coupling.ops)


def backward_parameters(op: OpIR) -> int:
    """Trainable numbers of one op on a way back of its own: as many, without a bias."""
    biased = {"bias": False} if "bias" in op.arguments else {}
    return op_parameters(replace(op, arguments={**op.arguments, **biased}))


def op_macs(op: OpIR) -> int:
    """Multiply-accumulates of one op on one sample."""
    return OPS[op.name].count_macs(op)
