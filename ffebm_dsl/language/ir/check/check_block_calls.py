"""What the calls of a block cannot mean: arguments that contradict each other, complex phases."""

from __future__ import annotations

from collections.abc import Iterator

from ffebm_dsl.language.diagnostics import Label, Span
from ffebm_dsl.language.ir.check.check_model import blocks_of
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.resolve.bind import BoundCall
from ffebm_dsl.language.ir.resolve.resolved import ResolvedBlock, ResolvedSpec
from ffebm_dsl.language.registry import (
    ACTIVATIONS,
    ENERGIES,
    GRADIENTS,
    OPS,
    Construct,
    Table,
)


def check_block_calls(spec: ResolvedSpec, log: Log) -> ResolvedSpec:
    """Report faults of activations and estimators; the spec itself is passed on."""
    inherited: set[Span] = set()
    for block in blocks_of(spec.model) if spec.model else ():
        inside = log.within(block.expansion)
        for layer in block.layers:
            _check_arguments(layer.activation, ACTIVATIONS, inside)
        call = block.gradient.call
        if call and block.gradient.inherited:
            # What the model says is told once, not for every block.
            if call.span not in inherited:
                _check_arguments(call, GRADIENTS, log)
            inherited.add(call.span)
        else:
            _check_arguments(call, GRADIENTS, inside)
        _check_holomorphic(block, inside)
    return spec


def _check_arguments(call: BoundCall | None, table: Table[Construct], log: Log) -> None:
    conflict = table[call.name].conflict(call.arguments) if call else None
    if call and conflict:
        message, remedy = conflict
        log.report("FFE1023", message, call.span, help=remedy)


def _check_holomorphic(block: ResolvedBlock, log: Log) -> None:
    """Complex phases need a function of complex states; name what is none."""
    call = block.gradient.call
    if call is None or GRADIENTS[call.name].conflict(call.arguments):
        return
    if not GRADIENTS[call.name].holomorphic(call.arguments):
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
        # A faulty call has been reported.
        if known is None or ACTIVATIONS[known.name].conflict(known.arguments):
            continue
        if not ACTIVATIONS[known.name].make(**known.arguments).holomorphic:
            yield f"`{known.name}` of layer `{layer.name}`", known.span
    for term in block.terms:
        yield f"the term `{term.name}`", term.span
    for coupling in block.couplings:
        for op in coupling.chain.ops:
            if op is not None and not OPS[op.name].takes_complex:
                yield f"`{op.name}` of `{coupling.text}`", op.span
