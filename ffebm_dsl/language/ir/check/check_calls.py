"""Checks of calls: complex phases need holomorphic functions, gains weights, routings choices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ffebm_dsl.language.diagnostics import Label, Span
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import CallIR, RelaxIR
from ffebm_dsl.language.ir.resolve.bind import BoundCall
from ffebm_dsl.language.ir.resolve.resolved import ResolvedBlock, ResolvedMap, ResolvedSpec
from ffebm_dsl.language.registry import (
    ACTIVATIONS,
    ENERGIES,
    GRADIENTS,
    INITIALISERS,
    OPS,
    ROUTINGS,
)


def check_calls(spec: ResolvedSpec, log: Log) -> None:
    """Report calls that have no meaning, or no effect, there."""
    if spec.model is None:
        return
    maps = (stage for stage in spec.model.stages if isinstance(stage, ResolvedMap))
    ops = (op for map_ in (*maps, *spec.model.readouts) for op in map_.chain.ops)
    _check_gains(spec.model.init, ops, log)
    for block in spec.model.blocks:
        inside = log.within(block.expansion)
        chains = [part.chain for part in (*block.maps, *block.connections)]
        _check_gains(block.init, (op for chain in chains for op in chain.ops), inside)
        _check_holomorphic(block, inside)
        _check_routing(block, inside)


def _check_gains(init: BoundCall, ops: Iterable[BoundCall | None], log: Log) -> None:
    """``init`` draws the weights of the ops that do not state another initialiser."""
    for op in ops:
        own = op.arguments.get("init") if op else None
        drawn = own if isinstance(own, CallIR) else init
        if op and op.arguments.get("gain", 1) != 1 and INITIALISERS[drawn.name].zero:
            log.report(
                "FFE1023",
                f"`gain` changes nothing: the weights of `{op.name}` are drawn by "
                f"`{drawn.name}`, and are 0",
                op.places.get("gain", op.span),
                help="leave it out, or choose another initialiser",
            )


def _check_routing(block: ResolvedBlock, log: Log) -> None:
    """Choices that nudged phases are to keep from some sweep on, and do not make at all."""
    call = block.gradient
    if call is None or _freeze_after(block.nudged) < 0:
        return
    estimator = GRADIENTS[call.name]
    if not estimator.nudges:
        reason = f"`{call.name}` has no nudged phases"
    elif estimator.keeps_routing:
        reason = f"the nudged phases of `{call.name}` keep the choices of the free state"
    elif _freeze_after(block.free) >= 0:
        reason = "nudged phases keep the choices of the free phase, which freezes them"
    else:
        return
    log.report(
        "FFEW018",
        f"the `routing` of `relax nudged` changes nothing in block `{block.name}`: {reason}",
        block.own.get("relax.nudged.routing", block.span),
        help="leave it out",
    )


def _freeze_after(phase: RelaxIR) -> int:
    return ROUTINGS[phase.routing.name].freeze_after(phase.routing.arguments)


def _check_holomorphic(block: ResolvedBlock, log: Log) -> None:
    """Complex phases need a function of complex states; name what is none."""
    call = block.gradient
    if call is None or not GRADIENTS[call.name].holomorphic(call.arguments):
        return
    for what, span in _not_holomorphic(block):
        log.report(
            "FFE4011",
            f"block `{block.name}` is nudged with complex strengths, and {what} is not holomorphic",
            span,
            labels=[Label(call.span, "complex phases")] if call.span.end else [],
            help="use a smooth activation such as tanh or sigmoid, and linear ops or "
            "`softmax_pool2d`, or nudge with real strengths: `ep(stencil=4)`",
        )


def _not_holomorphic(block: ResolvedBlock) -> Iterator[tuple[str, Span]]:
    if block.energy is not None and not ENERGIES[block.energy].holomorphic:
        yield f"the energy `{block.energy}`", block.energy_span
    for layer in block.layers:
        known = layer.activation
        if known and not ACTIVATIONS[known.name].make(**known.arguments).holomorphic:
            yield f"`{known.name}` of layer `{layer.name}`", known.span
    for term in block.terms:
        yield f"the term `{term.name}`", term.span
    for coupling in block.couplings:
        for op in coupling.chain.ops:
            if op is not None and not OPS[op.name].takes_complex:
                yield f"`{op.name}` of `{coupling.text}`", op.span
