"""Comparison of relaxation, learning, initialisation and training of two networks, key by key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from ffebm_dsl.language.ir.model import (
    BlockIR,
    CallIR,
    CouplingIR,
    DriveIR,
    ModelIR,
    RelaxIR,
    SpecIR,
    TrainIR,
)
from ffebm_dsl.language.ir.resolve.bind import fill_defaults
from ffebm_dsl.language.ir.tools.notation import written, written_in_full
from ffebm_dsl.language.registry import HARDWARE
from ffebm_dsl.tools.comparison.layers import Difference

BlockPair = tuple[BlockIR, BlockIR]

Texts = tuple[str, str, str]
"""A key, and its values in the two specs."""


@dataclass(frozen=True)
class SettingChange:
    """A key whose value differs; ``blocks`` are the pairs of blocks, empty for all of them."""

    key: str
    a: str
    b: str
    blocks: tuple[tuple[str, str], ...] = ()


def compare_blocks(pairs: Sequence[BlockPair]) -> list[SettingChange]:
    """Relaxation, gradient and initialiser of blocks that share a layer."""
    return _by_texts(pairs, _block_keys)


def _by_texts(
    pairs: Sequence[BlockPair], keys: Callable[[BlockIR, BlockIR], Iterator[Texts]]
) -> list[SettingChange]:
    """The differences of all pairs, each difference once."""
    found: dict[Texts, list[tuple[str, str]]] = {}
    for a, b in pairs:
        for texts in keys(a, b):
            found.setdefault(texts, []).append((a.name, b.name))
    return [
        SettingChange(*texts, () if len(blocks) == len(pairs) else tuple(blocks))
        for texts, blocks in found.items()
    ]


def _block_keys(a: BlockIR, b: BlockIR) -> Iterator[Texts]:
    yield from _relax_keys("relax free", a.free, b.free)
    yield from _relax_keys("relax nudged", a.nudged, b.nudged)
    # Only the block read by the loss can be nudged by it: this is compared separately.
    yield from compare_calls("gradient", without(a.gradient, "nudge"), without(b.gradient, "nudge"))
    yield from compare_calls("init", a.init, b.init)
    yield from _options("coupling", a.couplings, b.couplings)
    yield from _options("drive", a.drives, b.drives)


def _options(
    kind: str, a: Sequence[CouplingIR | DriveIR], b: Sequence[CouplingIR | DriveIR]
) -> Iterator[Texts]:
    """Settings of the connections with the same name in both blocks."""
    others = {connection.name: connection.settings for connection in b}
    for connection in a:
        for key, value in connection.settings.items():
            other = others.get(connection.name, connection.settings)[key]
            if value != other:
                yield f"{kind} {connection.name} {key}", written(value), written(other)


def compare_hardware(pairs: Sequence[BlockPair], a: SpecIR, b: SpecIR) -> list[SettingChange]:
    """The hardware of blocks that share a layer, key by key, independent of the devices' names."""
    of_a, of_b = ({device.name: device.arguments for device in s.hardware} for s in (a, b))
    ideal = fill_defaults(HARDWARE, {})

    def keys(block_a: BlockIR, block_b: BlockIR) -> Iterator[Texts]:
        device_a, device_b = of_a.get(block_a.hardware, ideal), of_b.get(block_b.hardware, ideal)
        for key in HARDWARE.names:
            if device_a[key] != device_b[key]:
                parameter = HARDWARE.parameter(key)
                left, right = (written(device[key], parameter) for device in (device_a, device_b))
                yield f"hardware {key}", left, right

    return _by_texts(pairs, keys)


def without(call: CallIR, argument: str) -> CallIR:
    kept = {name: value for name, value in call.arguments.items() if name != argument}
    return CallIR(call.name, kept)


def _relax_keys(head: str, a: RelaxIR, b: RelaxIR) -> Iterator[Texts]:
    for field in fields(RelaxIR):
        value_a, value_b = getattr(a, field.name), getattr(b, field.name)
        if value_a != value_b:
            yield f"{head} {field.name}", written(value_a), written(value_b)


def compare_calls(head: str, a: CallIR, b: CallIR) -> Iterator[Texts]:
    """Argument by argument if both calls have the same name, else as a whole."""
    if a.name != b.name:
        yield head, written_in_full(a), written_in_full(b)
        return
    for name in dict.fromkeys((*a.arguments, *b.arguments)):
        values = [call.arguments.get(name) for call in (a, b)]
        if values[0] != values[1]:
            texts = ["none" if value is None else written(value) for value in values]
            yield f"{head}.{name}", texts[0], texts[1]


def compare_packages(a: SpecIR, b: SpecIR) -> list[SettingChange]:
    """The packages of the specs, with their installed versions."""
    used = [
        ", ".join(f"{package.name} {package.version}" for package in spec.packages) or "none"
        for spec in (a, b)
    ]
    return [] if used[0] == used[1] else [SettingChange("use", used[0], used[1])]


def compare_models(a: ModelIR, b: ModelIR) -> list[SettingChange]:
    """The initialiser of readouts and of the model's own maps, and the last block's nudging."""
    found = [SettingChange(*keys) for keys in compare_calls("init of the readout", a.init, b.init)]
    nudges = [_nudge(model) for model in (a, b)]
    if nudges[0] != nudges[1]:
        found.append(SettingChange("gradient.nudge of the last block", nudges[0], nudges[1]))
    return found


def _nudge(model: ModelIR) -> str:
    arguments: Mapping[str, object] = [*model.blocks][-1].gradient.arguments
    return str(arguments.get("nudge", "none"))


def drawn(difference: Difference) -> SettingChange:
    """How the weights of an op are drawn in two layers that answer to each other."""
    a, b = difference.a, difference.b
    layer = f"layer {a.layer}" if a.layer == b.layer else f"layer {a.layer} of A, {b.layer} of B"
    place = a.text if a.text == b.text else f"{a.text} | {b.text}"
    return SettingChange(f"{difference.what} of {layer} ({place})", a.has, b.has)


def compare_training(a: TrainIR | None, b: TrainIR | None) -> list[SettingChange]:
    """Every key of the train sections that differs."""
    if a is None or b is None:
        texts = ["none" if plan is None else "a train section" for plan in (a, b)]
        return [] if a is b else [SettingChange("train", texts[0], texts[1])]
    found: list[SettingChange] = []
    for field in fields(TrainIR):
        value_a, value_b = getattr(a, field.name), getattr(b, field.name)
        if isinstance(value_a, CallIR):
            found += [SettingChange(*keys) for keys in compare_calls(field.name, value_a, value_b)]
        elif value_a != value_b:
            found.append(SettingChange(field.name, written(value_a), written(value_b)))
    return found
