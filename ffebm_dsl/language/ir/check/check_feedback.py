"""Feedback of couplings: whether there is an energy, and which.

With feedback k the source of a coupling feels k times the transpose. Whether such pre-activations
derive from an energy is a matter of the graph alone, and the kind of energy decides it. Where a
coupling has weights of its own for the way back, none exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from ffebm_dsl.language.diagnostics import Label
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import BlockIR, CouplingIR
from ffebm_dsl.language.ir.resolve.resolved import ResolvedBlock, ResolvedCoupling
from ffebm_dsl.language.registry import ENERGIES, GRADIENTS

OWN = "own"

CouplingT = TypeVar("CouplingT", ResolvedCoupling, CouplingIR)


def asymmetric(couplings: Iterable[CouplingT]) -> list[CouplingT]:
    """The couplings with weights of their own for the way back."""
    return [c for c in couplings if c.settings["feedback"] == OWN]


def scaled(couplings: Iterable[CouplingT]) -> list[CouplingT]:
    """The couplings whose way back is weaker or stronger than the way there."""
    return [c for c in couplings if c.settings["feedback"] not in (OWN, 1)]


def layer_weights(block: BlockIR) -> dict[str, float] | None:
    """The weight of each layer in the energy of a block that was checked; None without one."""
    energy = ENERGIES[block.energy]
    if asymmetric(block.couplings):
        return None
    names = [layer.name for layer in block.layers]
    if energy.feedback is None:
        return dict.fromkeys(names, 1.0)
    return dict(
        zip(names, energy.feedback(len(names), _edges(names, block.couplings)), strict=True)
    )


def check_feedback(block: ResolvedBlock, log: Log) -> None:
    """Report feedback that the block's kind of energy cannot have, and EP without an energy."""
    if block.energy is None:
        return
    energy = ENERGIES[block.energy]
    if energy.feedback is None:
        for coupling in [*scaled(block.couplings), *asymmetric(block.couplings)]:
            log.report(
                "FFE3011",
                f"couplings of the energy `{block.energy}` are equal in both directions",
                coupling.span,
                help="leave `feedback` out",
            )
        return
    _check_cycles(block, log)
    call, own = block.gradient, asymmetric(block.couplings)
    if own and call is not None and not GRADIENTS[call.name].any_couplings:
        log.report(
            "FFEW011",
            f"the gradient of `{call.name}` is biased in block `{block.name}`: couplings with "
            "`feedback = own` do not derive from an energy",
            own[0].span,
            help="use `gradient aep()`; `ffebm check` measures how far off the gradient is",
        )


def _check_cycles(block: ResolvedBlock, log: Log) -> None:
    names = [layer.name for layer in block.layers]
    couplings = [c for c in block.couplings if c.settings["feedback"] != OWN]
    assert block.energy is not None
    check = ENERGIES[block.energy].feedback
    assert check is not None
    cycle = check(len(names), _edges(names, couplings))
    if isinstance(cycle, tuple):
        return
    closing, path = couplings[cycle.edges[0]], " - ".join(names[i] for i in cycle.layers)
    needed = _factor(closing) / cycle.product
    log.report(
        "FFE3012",
        f"no energy of block `{block.name}` has this feedback: around {path} the factors multiply "
        f"to {cycle.product:.6g}, and an energy needs 1",
        closing.span,
        labels=[
            Label(couplings[k].span, f"feedback {_factor(couplings[k]):g}")
            for k in sorted(cycle.edges[1:])
        ],
        help=f"with `feedback = {needed:.6g}` here it is 1; `feedback = own` needs no energy, and "
        "`gradient aep()`",
    )


def _factor(coupling: ResolvedCoupling | CouplingIR) -> float:
    factor = coupling.settings["feedback"]
    assert isinstance(factor, int | float)
    return float(factor)


def _edges(names: Sequence[str], couplings: Iterable[CouplingT]) -> list[tuple[int, int, float]]:
    """Couplings without weights of their own, as the kind of energy takes them."""
    return [
        (names.index(c.source), names.index(c.target), _factor(c))
        for c in couplings
        if c.settings["feedback"] != OWN
    ]
