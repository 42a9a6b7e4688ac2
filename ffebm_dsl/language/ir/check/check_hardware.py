"""Imperfections of the analog part that a block cannot have as the text has it."""

from __future__ import annotations

from ffebm_dsl.language.ir.check.check_model import blocks_of
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import RelaxIR
from ffebm_dsl.language.ir.resolve.resolved import Block, Spec
from ffebm_dsl.language.registry import GRADIENTS, SOLVERS


def check_hardware(spec: Spec, log: Log) -> Spec:
    """Report what a block's sweeps or estimator cannot do; the spec itself is passed on."""
    for block in blocks_of(spec.model) if spec.model else ():
        _check_noise(block, log.within(block.expansion))
    return spec


def _check_noise(block: Block, log: Log) -> None:
    for phase, relax in (("free", block.free), ("nudged", block.nudged)):
        accelerated = _accelerated(relax)
        if relax.noise > 0 and accelerated:
            log.report(
                "FFE4009",
                f"`relax {phase}` of block `{block.name}` has noise and {accelerated}, which "
                "would take the noise for a change of the state",
                block.span,
                help="make plain sweeps, or leave the noise out",
            )
    call = block.gradient.call
    if block.nudged.noise > 0 and call is not None and not GRADIENTS[call.name].nudges:
        log.report(
            "FFE4009",
            f"block `{block.name}` has noise in nudged phases, and `gradient {call.name}` has no "
            "such phases",
            block.span,
            help="write `relax nudged { noise = 0 }`, or choose an estimator that nudges",
        )


def _accelerated(relax: RelaxIR) -> str:
    """What makes the sweeps of the phase other than plain ones; ``""`` for nothing."""
    if relax.over_relaxation > 1:
        return f"`over_relaxation = {relax.over_relaxation:g}`"
    return "" if SOLVERS[relax.solver.name].noisy else f"`solver = {relax.solver.name}`"
