"""Couplings that use the weights of another one."""

from __future__ import annotations

from collections.abc import Mapping

from ffebm_dsl.language.diagnostics import Label
from ffebm_dsl.language.diagnostics.fix import did_you_mean
from ffebm_dsl.language.ir.check.check_feedback import OWN
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.resolve.resolved import ResolvedBlock, ResolvedCoupling
from ffebm_dsl.language.registry import OPS, OpIR


def check_ties(block: ResolvedBlock, log: Log) -> None:
    """Report `tied_to` of a coupling that cannot give its weights."""
    earlier: dict[str, ResolvedCoupling] = {}
    for coupling in block.couplings:
        name = str(coupling.settings["tied_to"])
        if name and name not in earlier:
            log.report(
                "FFE3013",
                f"`{name}` is no earlier coupling of this block",
                coupling.span,
                help=did_you_mean(name, earlier) or "name one that is stated above it",
            )
        elif name:
            other = earlier[name]
            why = _misfit(coupling, other)
            if why:
                log.report(
                    "FFE3013",
                    f"`{coupling.text}` cannot use the weights of `{other.text}`: {why}",
                    coupling.span,
                    labels=[Label(other.span, "its weights")],
                    help="let both have the same ops in the same order, and weights of one shape",
                )
        earlier[coupling.name] = coupling


def _misfit(coupling: ResolvedCoupling, other: ResolvedCoupling) -> str:
    """Why a coupling cannot use the weights of another one; ``""`` where it can."""
    for key, value in (("nonnegative", True), ("zero_diagonal", True), ("feedback", OWN)):
        if coupling.settings[key] == value:
            return f"`{key}` is for a coupling with weights of its own"
    if other.settings["tied_to"]:
        return f"these are those of `{other.settings['tied_to']}`"
    if other.settings["feedback"] == OWN:
        return "it has others for its way back"
    ops, others = coupling.chain.shaped, other.chain.shaped
    if ops is None or others is None:
        return ""  # what is faulty has been reported
    if [op.name for op in ops] != [op.name for op in others]:
        return "the ops are not the same"
    if not any(_shapes(op) for op in ops):
        return "no op has any"
    for op, of_other in zip(ops, others, strict=True):
        if _shapes(op) != _shapes(of_other):
            return f"those of `{op.name}` have other shapes"
        if _drawn_by(op) != _drawn_by(of_other):
            return f"`{op.name}` has other arguments"
    return ""


def _shapes(op: OpIR) -> Mapping[str, tuple[int, ...]]:
    coupling = OPS[op.name].coupling
    assert coupling is not None, "the front end admits only ops with a coupling"
    # A routed op has no weights.
    shapes = getattr(coupling(op), "weight_shapes", dict)
    found: Mapping[str, tuple[int, ...]] = shapes()
    return found


def _drawn_by(op: OpIR) -> object:
    """How a weight is drawn, and what it is then multiplied by."""
    return op.arguments.get("init"), op.arguments.get("gain")
