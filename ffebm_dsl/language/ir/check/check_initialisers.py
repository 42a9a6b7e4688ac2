"""How weights are drawn: arguments that contradict each other, and gains that change nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.check.check_model import blocks_of
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.ir.resolve.bind import BoundCall
from ffebm_dsl.language.ir.resolve.resolved import (
    ResolvedBlock,
    ResolvedMap,
    ResolvedModel,
    ResolvedSpec,
    readouts,
)
from ffebm_dsl.language.registry import INITIALISERS


def check_initialisers(spec: ResolvedSpec, log: Log) -> ResolvedSpec:
    """Report faults of initialisers and gains; the spec itself is passed on."""
    if spec.model is None:
        return spec
    told: set[Span] = set()
    _check(spec.model.init, _ops_of_model(spec.model), told, log)
    for block in blocks_of(spec.model):
        _check(block.init, _ops_of_block(block), told, log.within(block.expansion))
    return spec


def _ops_of_model(model: ResolvedModel) -> Iterator[BoundCall | None]:
    maps = (stage for stage in model.stages if isinstance(stage, ResolvedMap))
    for map_ in (*maps, *readouts(model)):
        yield from map_.chain.ops


def _ops_of_block(block: ResolvedBlock) -> Iterator[BoundCall | None]:
    chains = [part.chain for part in block.maps]
    chains += [part.chain for part in block.couplings]
    chains += [part.chain for part in block.drives]
    for chain in chains:
        yield from chain.ops


def _check(init: BoundCall, ops: Iterable[BoundCall | None], told: set[Span], log: Log) -> None:
    """Check the initialiser of a model or block, and what its ops say of their weights.

    ``told`` are the places of those that were looked at: what a model says is told once.
    """
    if init.span not in told:
        _check_arguments(init.ir, init.span, log)
    told.add(init.span)
    for op in ops:
        if op is None:
            continue
        drawn, own = init.ir, op.arguments.get("init")
        if isinstance(own, CallIR):
            _check_arguments(own, op.places["init"], log)
            drawn = own
        if op.arguments.get("gain", 1) != 1 and INITIALISERS[drawn.name].zero:
            log.report(
                "FFE1023",
                f"`gain` changes nothing: the weights of `{op.name}` are drawn by "
                f"`{drawn.name}`, and are 0",
                op.places.get("gain", op.span),
                help="leave it out, or choose another initialiser",
            )


def _check_arguments(call: CallIR, place: Span, log: Log) -> None:
    conflict = INITIALISERS[call.name].conflict(call.arguments)
    if conflict is not None:
        message, remedy = conflict
        log.report("FFE1023", message, place, help=remedy)
