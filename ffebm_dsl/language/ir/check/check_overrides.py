"""Overrides that change nothing: they are errors.

The value that the text has already may be given all the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.log import FAR, Log
from ffebm_dsl.language.ir.model import CallIR, SpecIR
from ffebm_dsl.language.ir.resolve.resolved import (
    ResolvedBlock,
    ResolvedChain,
    ResolvedMap,
    ResolvedModel,
)
from ffebm_dsl.language.registry import OPS


def check_overrides(model: ResolvedModel, log: Log) -> None:
    """Report overrides of the model or of a block that have no effect in any part of it."""
    for key, place in model.changed.items():
        head = key.partition(".")[0]
        name = key if head == "relax" else head
        blocks = model.blocks
        heirs = [block for block in blocks if name not in block.own]
        if not (_draws(model, heirs) if name == "init" else heirs):
            _report(key, place, name, [b.own[name] for b in blocks if name in b.own], log)
    for block in model.blocks:
        for key, place in block.changed.items():
            if key.partition(".")[0] == "init" and not _block_draws(block):
                _report(f"{block.name}.{key}", place, "init", [], log)


def _draws(model: ResolvedModel, heirs: Iterable[ResolvedBlock]) -> bool:
    """Whether any weights are drawn as the model says, in its maps or in blocks that inherit it."""
    maps = [stage for stage in model.stages if isinstance(stage, ResolvedMap)]
    chains = (map_.chain for map_ in (*maps, *model.readouts))
    return any(map(_inherits, chains)) or any(map(_block_draws, heirs))


def _block_draws(block: ResolvedBlock) -> bool:
    chains = [part.chain for part in (*block.maps, *block.connections)]
    return bool(block.terms) or any(map(_inherits, chains))


def _inherits(chain: ResolvedChain) -> bool:
    """Whether a weight of the chain is drawn as the block or the model says."""
    ops = (op for op in chain.ops if op and not isinstance(op.arguments.get("init"), CallIR))
    return any(OPS[op.name].counted for op in ops)


def _report(key: str, place: Span, name: str, stated: Iterable[Span], log: Log) -> None:
    override, _ = log.locate(place)
    lines = sorted({log.source.position(span.start)[0] for span in stated if span.start < FAR})
    where = f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}"
    how = "an op does so by `init=...`" if name == "init" else "by --set"
    log.report(
        "FFE1022",
        f"`{override.text}` changes nothing: every block "
        f"{'or op ' if name == 'init' else ''}states its own `{name}`",
        place,
        notes=(f"stated in {log.source.name}, {where}" if lines else how,),
        help=f"set that of a block, `BLOCK.{key}=...`, or let these statements read a `param`",
    )


def check_param(number: int, key: str, spec: SpecIR, without: SpecIR | None, log: Log) -> None:
    """Report a param that is set and changes nothing of the network and its training.

    Args:
        number: the override's, from 1.
        without: what the spec means without the override; None where it is in error then.
    """
    if without is None or spec.parameters[key] == without.parameters.get(key):
        return
    meanings = [(ir.hardware, ir.model, ir.train) for ir in (spec, without)]
    if meanings[0] == meanings[1]:
        place = Span(number * FAR, number * FAR + len(key))
        override, _ = log.locate(place)
        log.report(
            "FFE1022",
            f"`{override.text}` changes nothing: the network and its training are the same without "
            "it",
            place,
            notes=(
                f"nothing uses `{key}`, another --set replaces what does, or its values come to "
                "the same",
            ),
            help="leave it out, or let the text use it",
        )
