"""What makes sense in how a block relaxes, key against key."""

from __future__ import annotations

from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import RelaxIR
from ffebm_dsl.language.ir.resolved import Block


def check_relaxation(block: Block, log: Log) -> None:
    """Warn of a precision that none of the block's sweeps is made in."""
    _check_precision(block, "free phase", block.free, block.free.sweeps, log)
    gradient = block.gradient.call
    if gradient is None:
        return
    if gradient.name == "unrolled":
        _check_precision(block, "nudged phase", block.nudged, 0, log)
    elif gradient.name == "implicit":
        sweeps = gradient.arguments.get("sweeps")
        if isinstance(sweeps, int):
            _check_precision(block, "adjoint solve", block.nudged, sweeps, log)
    else:
        _check_precision(block, "nudged phase", block.nudged, block.nudged.sweeps, log)


def _check_precision(block: Block, solve: str, relax: RelaxIR, sweeps: int, log: Log) -> None:
    precision = relax.precision
    finish = precision.arguments.get("finish")
    if not isinstance(finish, int) or finish < sweeps:
        return
    if sweeps:
        why = f"it makes {sweeps} sweeps at most, and the last {finish} are full"
    else:
        why = "there is none"
    log.report(
        "FFEW010",
        f"no sweep of block `{block.name}` in its {solve} is in {precision.name}: {why}",
        block.span,
        help=f"let it make more sweeps, write a smaller `finish`, or leave `{precision.name}` out"
        if sweeps
        else f"leave `{precision.name}` out of `relax nudged`",
    )
