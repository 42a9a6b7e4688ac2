"""Joules and seconds of a network, action by action.

Per sample, with the counts of :mod:`~ffebm_dsl.language.ir.tools.count`:

- a digital map costs its multiply-accumulates once in inference, and three times in a training
  step: forward, gradient of its input, gradient of its weights; a readout that only the loss reads
  is used in training alone;
- a free phase costs its conversions, its cells in every sweep (each coupling acts both ways),
  its units in every sweep, and its sweeps in time; so does each nudged phase. A phase is counted
  with all its sweeps, or settles for as many time constants as are given;
- the states that the update of weights sees are converted once in every nudged phase (and in the
  free one where the estimator has no other, or is for any couplings) if the hardware says by what;
  else the update is analog and local, and only the states of driven layers leave, for the maps'
  gradients;
- an estimator that does not nudge is run digitally: its sweeps cost digital operations.

Once per training step every digital weight costs an update and every cell of an array a pulse. The
same network all digital does the same arithmetic by digital operations, without conversions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.ir.model import BlockIR, CallIR, SpecIR
from ffebm_dsl.language.ir.tools.count import (
    BlockCount,
    MapCount,
    ModelCount,
    PhaseCount,
    count,
    op_parameters,
)
from ffebm_dsl.language.registry import CONVERTERS, GRADIENTS
from ffebm_dsl.tools.cost.prices import PriceList

KINDS = ("digital", "converters", "analog", "updates")

_OF_ACTION: Mapping[str, str] = {
    "digital_mac": "digital",
    "dac": "converters",
    "adc": "converters",
    "analog_mac": "analog",
    "sweep": "analog",
    "digital_update": "updates",
    "write": "updates",
}


@dataclass(frozen=True)
class Entry:
    """A number of actions of one kind, their cost, and the price that was applied."""

    action: str
    count: float
    joules: float
    seconds: float
    bits: int = 0
    source: str = ""

    @property
    def kind(self) -> str:
        return _OF_ACTION[self.action]


@dataclass(frozen=True)
class BlockAccount:
    """The entries of a block, or of the maps outside blocks (name ``""``)."""

    name: str
    inference: tuple[Entry, ...]
    step: tuple[Entry, ...]


@dataclass(frozen=True)
class SpecCost:
    """Cost of a network: per sample in inference, per batch in a training step.

    ``sweeps`` are those of each block's free phase.
    """

    name: str
    batch: int
    sweeps: Mapping[str, float]
    accounts: tuple[BlockAccount, ...]
    digital_inference: tuple[Entry, ...]
    digital_step: tuple[Entry, ...]

    def entries(self, task: str) -> list[Entry]:
        """All entries of ``inference`` or ``step``."""
        return [entry for account in self.accounts for entry in getattr(account, task)]

    def conversions(self, task: str) -> float:
        return sum(e.count for e in self.entries(task) if e.kind == "converters")


@dataclass(frozen=True)
class Assumptions:
    """Assumptions where a spec leaves something open.

    Attributes:
        bits: resolution of converters that are ideal in the spec; None: an error.
        batch: number of samples of a training step.
        sweeps: number of sweeps of each phase of a block, instead of the largest allowed.
    """

    bits: int | None = None
    batch: int = 1
    sweeps: Mapping[str, float] = field(default_factory=dict)


def cost(spec: SpecIR, prices: PriceList, assumed: Assumptions, name: str = "") -> SpecCost:
    """The account of a spec.

    Raises:
        InputError: an action has no price, or a converter has no resolution.
    """
    counts = count(spec.model)
    books = _Books(prices, assumed)
    hardware = {device.name: device.arguments for device in spec.hardware}
    outside = [*counts.maps, counts.readout]
    accounts = [books.maps("", outside, counts.auxiliary)]
    for block, counted in zip(spec.model.blocks, counts.blocks, strict=True):
        accounts.append(books.block(block, counted, hardware.get(block.hardware, {})))
    digital = [*_all_digital(counts, spec.model.blocks, assumed)]
    batch = assumed.batch
    return SpecCost(
        name,
        batch,
        {
            block.name: _sweeps(block, counted.phases[0], assumed)
            for block, counted in zip(spec.model.blocks, counts.blocks, strict=True)
        },
        tuple(accounts),
        (books.entry("digital_mac", digital[0]),),
        (
            books.entry("digital_mac", digital[1] * batch),
            books.entry("digital_update", counts.parameters),
        ),
    )


def _all_digital(
    counts: ModelCount, blocks: Iterator[BlockIR], assumed: Assumptions
) -> Iterator[float]:
    """Operations per sample of inference, and of a training step."""
    free = back = 0.0
    for block, c in zip(blocks, counts.blocks, strict=True):
        first, second = c.phases
        free += _macs(block, first, assumed)
        back += _macs(block, second, assumed) + _contrast_macs(c)
    yield counts.digital_macs - sum(m.macs for m in counts.auxiliary) + free
    yield 3 * counts.digital_macs + free + back


def _contrast_macs(counted: BlockCount) -> int:
    """Operations of a block's weight gradients: one product of states per use and nudged phase."""
    uses = sum(c.macs for c in counted.couplings) + sum(d.macs for d in counted.drives)
    return uses * max(counted.phases[1].runs, 1)


def _macs(block: BlockIR, phase: PhaseCount, assumed: Assumptions) -> float:
    """Operations of all runs of a phase, done digitally."""
    sweeps = _sweeps(block, phase, assumed)
    return phase.runs * (phase.macs_per_run + sweeps * phase.macs_per_sweep)


def _sweeps(block: BlockIR, phase: PhaseCount, assumed: Assumptions) -> float:
    return assumed.sweeps.get(block.name, float(phase.sweeps))


@dataclass(frozen=True)
class _Books:
    prices: PriceList
    assumed: Assumptions

    def entry(self, action: str, count: float, bits: int = 0, times: float | None = None) -> Entry:
        """An entry for ``count`` actions, done ``times`` times one after the other."""
        if count == 0:
            return Entry(action, 0.0, 0.0, 0.0, bits)
        price = self.prices.price(action, bits)
        rounds = 1.0 if times is None else times
        seconds = rounds * price.time(count / rounds)
        return Entry(action, float(count), count * price.energy(bits), seconds, bits, price.source)

    def maps(
        self, name: str, maps: Sequence[MapCount], in_training: Sequence[MapCount] = ()
    ) -> BlockAccount:
        """Maps that are used always, and in training alone."""
        trained = [*maps, *in_training]
        macs = 3 * sum(m.macs for m in trained) * self.assumed.batch
        return BlockAccount(
            name,
            _nonzero(self.entry("digital_mac", sum(m.macs for m in maps))),
            _nonzero(
                self.entry("digital_mac", macs),
                self.entry("digital_update", sum(m.parameters for m in trained)),
            ),
        )

    def block(
        self, block: BlockIR, counted: BlockCount, hardware: Mapping[str, CallIR]
    ) -> BlockAccount:
        own = self.maps(block.name, counted.maps)
        free = self._free(block, counted, hardware)
        step = [*free, *self._nudged(block, counted, hardware)]
        batch = self.assumed.batch
        # Samples come one after the other; weights are written once.
        step = [
            replace(e, count=e.count * batch, joules=e.joules * batch, seconds=e.seconds * batch)
            for e in step
        ]
        # A tied coupling is an array of its own, whose weights are another one's.
        tied = [op for c in block.couplings if c.settings["tied_to"] for op in c.ops]
        cells = counted.analog_parameters + sum(map(op_parameters, tied))
        step.append(self.entry("write", cells))
        return BlockAccount(
            block.name,
            _nonzero(*own.inference, *free),
            _nonzero(*own.step, *step),
        )

    def _free(
        self, block: BlockIR, counted: BlockCount, hardware: Mapping[str, CallIR]
    ) -> list[Entry]:
        phase = counted.phases[0]
        sweeps = _sweeps(block, phase, self.assumed)
        return [
            self.entry("dac", phase.to_analog, self._bits(block, hardware, "drives")),
            *self._relaxed(counted, phase, sweeps),
            self.entry("adc", phase.to_digital, self._bits(block, hardware, "outputs")),
        ]

    def _nudged(
        self, block: BlockIR, counted: BlockCount, hardware: Mapping[str, CallIR]
    ) -> list[Entry]:
        phase = counted.phases[1]
        if not GRADIENTS[block.gradient.name].nudges:
            macs = _macs(block, phase, self.assumed) + _contrast_macs(counted)
            return [self.entry("digital_mac", macs)]
        found = []
        outputs = sum(counted.outputs)
        for entry in self._relaxed(counted, phase, _sweeps(block, phase, self.assumed)):
            found += [entry] * phase.runs
        found += [
            self.entry(
                "dac", phase.runs * outputs, self._bits(block, hardware, "cotangents"), phase.runs
            ),
            # The drives are set again in every phase.
            self.entry(
                "dac",
                phase.runs * counted.drive_size,
                self._bits(block, hardware, "drives"),
                phase.runs,
            ),
        ]
        return found + self._updates(block, counted, hardware)

    def _updates(
        self, block: BlockIR, counted: BlockCount, hardware: Mapping[str, CallIR]
    ) -> list[Entry]:
        """Conversions out of the analog side in nudged phases."""
        phase = counted.phases[1]
        if self._stated(hardware, "updates") is None:
            # The maps need what leaves at the driven layers all the same.
            bits = self._bits(block, hardware, "outputs")
            return [self.entry("adc", phase.runs * phase.to_digital, bits, phase.runs)]
        bits = self._bits(block, hardware, "updates")
        free = GRADIENTS[block.gradient.name].any_couplings
        reads = phase.runs + 1 if free else max(phase.runs, 2)
        states = self.entry("adc", reads * counted.state, bits, reads)
        contrast = self.entry("digital_mac", _contrast_macs(counted))
        return [states, contrast]

    def _relaxed(self, counted: BlockCount, phase: PhaseCount, sweeps: float) -> list[Entry]:
        macs = phase.macs_per_run + sweeps * phase.macs_per_sweep
        return [
            self.entry("analog_mac", macs),
            self.entry("sweep", sweeps * counted.state, times=sweeps),
        ]

    @staticmethod
    def _stated(hardware: Mapping[str, CallIR], port: str) -> int | None:
        call = hardware.get(port)
        converter = CONVERTERS[call.name].make(call.arguments) if call is not None else None
        return None if converter is None else int(converter.bits)

    def _bits(self, block: BlockIR, hardware: Mapping[str, CallIR], port: str) -> int:
        bits = self._stated(hardware, port)
        if bits is None:
            bits = self.assumed.bits
        if bits is None:
            kind = "dac" if port in ("drives", "cotangents") else "adc"
            raise InputError(
                f"block `{block.name}` converts its {port} at no stated resolution, which has no "
                "price",
                help=f"put it on hardware with `{port} = {kind}(8)`, or give --bits",
            )
        return bits


def _nonzero(*entries: Entry) -> tuple[Entry, ...]:
    """The nonzero entries, with those of the same price merged."""
    found: dict[tuple[str, int], Entry] = {}
    for e in entries:
        if e.count == 0:
            continue
        key = (e.action, e.bits)
        before = found.get(key)
        found[key] = (
            e
            if before is None
            else replace(
                e,
                count=before.count + e.count,
                joules=before.joules + e.joules,
                seconds=before.seconds + e.seconds,
            )
        )
    return tuple(found.values())
