"""Whether two specs are the same network, split differently; all differences, by place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from ffebm_dsl.language.ir.model import ModelIR, SpecIR
from ffebm_dsl.language.ir.tools.count import count
from ffebm_dsl.language.ir.tools.notation import written_loss
from ffebm_dsl.language.registry import show_shape
from ffebm_dsl.tools.comparison.layer_chain import ComparedLayer, chain_of
from ffebm_dsl.tools.comparison.layers import (
    AT_BOUNDARIES,
    DRAWN,
    Difference,
    Side,
    align_layers,
    compare_layers,
    nowhere,
    whole_layer,
)
from ffebm_dsl.tools.comparison.settings import (
    BlockPair,
    SettingChange,
    compare_blocks,
    compare_hardware,
    compare_models,
    compare_packages,
    compare_training,
    drawn,
)

Pairs = Sequence[tuple[ComparedLayer | None, ComparedLayer | None]]


class Verdict(StrEnum):
    SAME = "the same network"
    SPLIT = "the same layers, different split"
    BOUNDARIES = "the same layers, different split; what the ends of blocks bring differs too"
    DIFFERENT = "different networks"

    @property
    def same(self) -> bool:
        """Whether both are the same network, in the same or in different splits."""
        return self in (Verdict.SAME, Verdict.SPLIT)


@dataclass(frozen=True)
class Outline:
    """A summary of a network: its size, and the layers of each block (0: digital layers)."""

    name: str
    layers: int
    parameters: int
    blocks: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class SpecComparison:
    """``network`` decides the verdict; ``settings`` and ``training`` do not.

    ``aligned`` are pairs of corresponding layers, with None for a missing one.
    """

    verdict: Verdict
    a: Outline
    b: Outline
    network: tuple[Difference, ...]
    settings: tuple[SettingChange, ...]
    training: tuple[SettingChange, ...]
    aligned: tuple[tuple[ComparedLayer | None, ComparedLayer | None], ...]


def compare(a: SpecIR, b: SpecIR) -> SpecComparison:
    """Align the layers of two networks, and list all differences."""
    chains = chain_of(a.model), chain_of(b.model)
    pairs = align_layers(*chains)
    of_layers = [*_layers(pairs)]
    network = [*_ends(a.model, b.model), *(d for d in of_layers if d.what not in DRAWN)]
    split = _cuts(pairs, side=0) != _cuts(pairs, side=1)
    return SpecComparison(
        _verdict(network, split),
        _outline(a.model, chains[0]),
        _outline(b.model, chains[1]),
        tuple(network),
        (
            *compare_packages(a, b),
            *compare_blocks(_block_pairs(a.model, b.model, pairs)),
            *compare_hardware(_block_pairs(a.model, b.model, pairs), a, b),
            *compare_models(a.model, b.model),
            *(drawn(d) for d in of_layers if d.what in DRAWN),
        ),
        tuple(compare_training(a.train, b.train)),
        tuple(pairs),
    )


def _verdict(found: Sequence[Difference], split: bool) -> Verdict:
    if not found:
        return Verdict.SPLIT if split else Verdict.SAME
    boundaries = all(d.what in AT_BOUNDARIES and d.at_boundary for d in found)
    return Verdict.BOUNDARIES if split and boundaries else Verdict.DIFFERENT


def _outline(model: ModelIR, chain: Sequence[ComparedLayer]) -> Outline:
    sizes: dict[str, int] = {}
    for layer in chain:
        if layer.block:
            sizes[layer.block] = sizes.get(layer.block, 0) + 1
    return Outline(model.name, len(chain), count(model).parameters, tuple(sizes.items()))


def _ends(a: ModelIR, b: ModelIR) -> Iterator[Difference]:
    """Input, target and loss."""
    texts = [
        {
            "input": ", ".join(f"{end.kind} {show_shape(end.shape)}" for end in model.inputs),
            "target": f"{model.target.kind}({model.target.size})",
            "loss": _loss(model),
        }
        for model in (a, b)
    ]
    for what, text in texts[0].items():
        if text != texts[1][what]:
            yield Difference(what, Side(0, "", what, text), Side(0, "", what, texts[1][what]))


def _loss(model: ModelIR) -> str:
    """The loss, independent of the names of readouts and targets."""
    names = {r.name: f"readout {k}" for k, r in enumerate(model.readouts, start=1)}
    if len(model.losses) == 1:
        names[model.readout.name] = "readout"
    return written_loss(replace(model, target=replace(model.target, name="target")), names)


def _layers(pairs: Pairs) -> Iterator[Difference]:
    partner = {a.number: b.number for a, b in pairs if a is not None and b is not None}
    edges = [_edges_of_blocks([pair[side] for pair in pairs]) for side in (0, 1)]
    for a, b in pairs:
        if a is not None and b is not None:
            at_boundary = a.number in edges[0] or b.number in edges[1]
            for difference in compare_layers(a, b, partner):
                yield replace(difference, at_boundary=at_boundary)
        elif a is not None:
            yield Difference("layer", whole_layer(a), nowhere())
        elif b is not None:
            yield Difference("layer", nowhere(), whole_layer(b))


def _edges_of_blocks(chain: Sequence[ComparedLayer | None]) -> set[int]:
    """Numbers of the first and last layers of blocks."""
    known = [layer for layer in chain if layer is not None]
    found = set()
    for before, after in zip([None, *known], [*known, None], strict=True):
        if (before.block if before else "") != (after.block if after else ""):
            found |= {layer.number for layer in (before, after) if layer is not None}
    return found


def _cuts(pairs: Pairs, side: int) -> list[bool]:
    """For every pair: whether a block begins there in one network; whether its layer is digital."""
    cuts, last = [], ""
    for pair in pairs:
        layer = pair[side]
        block = layer.block if layer is not None else last
        cuts += [block != last, block == ""]
        last = block
    return cuts


def _block_pairs(a: ModelIR, b: ModelIR, pairs: Pairs) -> list[BlockPair]:
    """Blocks that share a layer, each pair once."""
    of_a, of_b = ({block.name: block for block in model.blocks} for model in (a, b))
    names = dict.fromkeys(
        (layer_a.block, layer_b.block)
        for layer_a, layer_b in pairs
        if layer_a is not None and layer_b is not None and layer_a.block and layer_b.block
    )
    return [(of_a[name_a], of_b[name_b]) for name_a, name_b in names]
