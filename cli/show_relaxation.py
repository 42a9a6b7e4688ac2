"""How a block is relaxed, for ``ffebm show``: by what sweeps, and which ops are computed as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ffebm_dsl.language.ir.model import BlockIR, CallIR, CouplingIR, DriveIR, RelaxIR
from ffebm_dsl.language.ir.tools import notation
from ffebm_dsl.language.registry import ENERGIES, NOISES, OPS, ROUTINGS
from ffebm_dsl.physics.interfaces import Acceleration

AUTO = "auto"


def solver_in_words(block: BlockIR, relax: RelaxIR, noises: tuple[CallIR, ...]) -> str:
    """The solver of a phase of ``block``; of ``auto`` also what it chooses among there.

    ``noises`` are those of the block's hardware. ``""`` where stated damping or over-relaxation
    leave ``auto`` nothing to choose.
    """
    if relax.solver.name != AUTO:
        return f"solver {notation.written_in_full(relax.solver)}"
    if _stated(relax):
        return ""
    free = block.free
    how = _acceleration(block)
    why = _why_plain(block, relax, noises, how)
    # What follows a free phase is accelerated by the rates of that phase.
    if not why and relax is not free and how is Acceleration.BY_RATE:
        accelerated = free.solver.name == AUTO and not _stated(free)
        if not accelerated or _why_plain(block, free, noises, how):
            why = "as the free phase is"
    return f"solver auto: {f'plain ({why})' if why or how is None else how.value}"


def _acceleration(block: BlockIR) -> Acceleration | None:
    """That of the built energy; None: its sweeps are plain."""
    stated: Acceleration | None = ENERGIES[block.energy].acceleration
    if stated is None:
        return None
    return Acceleration.suited(
        stepwise=stated is Acceleration.STEPWISE or len(block.terms) > 0,
        nonlinear=any(OPS[op.name].nonlinear for c in block.couplings for op in c.ops),
        lateral=any(c.source == c.target for c in block.couplings),
    )


def _stated(relax: RelaxIR) -> bool:
    return relax.damping > 0 or relax.over_relaxation > 1


def _why_plain(
    block: BlockIR, relax: RelaxIR, noises: tuple[CallIR, ...], how: Acceleration | None
) -> str:
    """Why ``auto`` makes plain sweeps in a phase; ``""`` where it may choose others."""
    ends = [(c.source, c.target) for c in block.couplings]
    kinds = [OPS[op.name] for c in block.couplings for op in c.ops]
    if relax.tolerance == 0:
        return "no tolerance"
    if any(NOISES[n.name].make(n.arguments).deviation > 0 for n in (*relax.noise, *noises)):
        return "noise"
    if ENERGIES[block.energy].acceleration is None:
        return f"energy {block.energy} states no acceleration"
    if how is None:
        return "a layer acts on itself"
    if relax.order == "synchronous" and ends:
        return "coupled layers move together"
    # Later phases keep the routing that a free phase has come to, if it was frozen.
    after = ROUTINGS[block.free.routing.name].freeze_after(block.free.routing.arguments)
    if any(kind.routed for kind in kinds) and not 0 <= after < block.free.sweeps:
        return "live max pooling"
    return ""


@dataclass(frozen=True)
class Composition:
    """Ops next to each other that a relaxation computes as one.

    Attributes:
        ops: their names.
        form: what they are computed as.
        macs: multiply-accumulates of the one, per sample and use.
    """

    ops: tuple[str, ...]
    form: str
    macs: int


def compositions_of(ir: CouplingIR | DriveIR) -> Iterator[Composition]:
    """The compositions of a chain; ops that stay by themselves are left out."""
    from ffebm_dsl.physics.interfaces import Composed, CouplingOp, LinearOp, compositions

    ops: list[CouplingOp] = [OPS[op.name].coupling(op) for op in ir.ops]  # type: ignore[misc]
    for group in compositions(ops):
        if len(group) < 2:
            continue
        whole = Composed([op for k in group if isinstance(op := ops[k], LinearOp)])
        yield Composition(tuple(ir.ops[k].name for k in group), whole.form, whole.macs)
