"""Which ops of a coupling are computed as one, for ``ffebm show``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ffebm_dsl.language.ir.model import CouplingIR, DriveIR
from ffebm_dsl.language.registry import OPS


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
