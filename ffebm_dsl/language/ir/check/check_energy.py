"""Checks of a block against its kind of energy: activations, ops of couplings, settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ffebm_dsl.language.diagnostics import Label
from ffebm_dsl.language.diagnostics.fix import did_you_mean
from ffebm_dsl.language.ir.check.check_feedback import OWN
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.resolve.bind import BoundCall
from ffebm_dsl.language.ir.resolve.resolved import (
    ResolvedBlock,
    ResolvedCoupling,
    ResolvedDrive,
    ResolvedLayer,
    ResolvedTerm,
)
from ffebm_dsl.language.registry import (
    ACTIVATIONS,
    ENERGIES,
    OPS,
    TERMS,
    Arguments,
    EnergyConstruct,
    OpIR,
    show_shape,
)

_OF_WEIGHTS: Mapping[str, object] = {
    "nonnegative": True,
    "feedback": OWN,
    "zero_diagonal": True,
}
"""Settings that do nothing where there is no weight."""


def check_energy(block: ResolvedBlock, log: Log) -> None:
    """Report what the block's kind of energy cannot have, and settings of no effect in it."""
    assert block.energy is not None
    kind = ENERGIES[block.energy]
    for connection in block.connections:
        _check_settings(connection, kind, log)
    _check_ties(block, log)
    for term in block.terms:
        _check_term(term, block, kind, log)
    for layer in block.layers if kind.refuses else ():
        if layer.activation:
            _check_activation(kind, layer.activation, log)
    for coupling in block.couplings if kind.linear else ():
        for op in coupling.chain.ops:
            if op and not OPS[op.name].linear:
                log.report(
                    "FFE3011",
                    f"a coupling of an energy `{kind.name}` cannot have `{op.name}`",
                    op.span,
                    notes=(f"`{op.name}` is not linear",),
                    help="pool by `avg_pool2d`, or in a feedforward map",
                )


def _check_term(term: ResolvedTerm, block: ResolvedBlock, kind: EnergyConstruct, log: Log) -> None:
    shape = block.layer(term.layer).shape
    if not kind.terms:
        log.report(
            "FFE3011",
            f"a layer of an energy `{kind.name}` cannot have a term of its own",
            term.span,
            help="energies that take terms: "
            + ", ".join(name for name, known in ENERGIES.visible().items() if known.terms),
        )
    elif block.device:
        log.report(
            "FFE3011",
            f"a layer of an energy on hardware `{block.device.text}` cannot have a term of its own",
            term.span,
            notes=("a device is an array of weights between two layers",),
            help="leave `on ...` out, or the term",
        )
    elif term.call and shape and len(shape) not in TERMS[term.call.name].ranks:
        wanted = " or ".join(_RANKS[rank] for rank in TERMS[term.call.name].ranks)
        log.report(
            "FFE2001",
            f"`{term.call.name}` takes a layer {wanted}, and `{term.layer}` has "
            f"{show_shape(shape)}",
            term.span,
            labels=[Label(block.layer(term.layer).shape_span, "its shape")],
        )
    elif term.call and TERMS[term.call.name].outgrows:
        _check_bounds(term, block.layer(term.layer), log)


def _check_bounds(term: ResolvedTerm, layer: ResolvedLayer, log: Log) -> None:
    """Warn of a term that can outgrow the potential of its layer, whose states have no bounds."""
    call, name = layer.activation, term.call.name if term.call else term.name
    if call is None:
        return
    low, high = ACTIVATIONS[call.name].make(**call.arguments).range
    if math.isfinite(low) and math.isfinite(high):
        return
    log.report(
        "FFEW016",
        f"nothing keeps `{name}` from outgrowing the potential of layer `{term.layer}`: with "
        "large weights the energy has no minimum",
        term.span,
        labels=[Label(call.span, "states without bounds")],
        help="use an activation with bounds on both sides, such as tanh or hard_sigmoid",
    )


_RANKS = {1: "[features]", 2: "[tokens, features]", 3: "[channels, height, width]"}


def _check_activation(kind: EnergyConstruct, call: BoundCall, log: Log) -> None:
    why = _refused(kind, call.name, call.arguments)
    if not why:
        return
    fit = [
        name
        for name, known in ACTIVATIONS.visible().items()
        if not any(p.required for p in known.parameters) and not _refused(kind, name, {})
    ]
    log.report(
        "FFE3011",
        f"a layer of an energy `{kind.name}` cannot have this activation",
        call.span,
        why,
        help=f"activations that it takes: {', '.join(fit)}",
    )


def _refused(kind: EnergyConstruct, activation: str, arguments: Arguments) -> str:
    """Why the kind of energy cannot have the activation; ``""`` where it can."""
    return kind.refuses(ACTIVATIONS[activation].make(**arguments)) if kind.refuses else ""


def _has_diagonal(connection: ResolvedCoupling | ResolvedDrive) -> bool:
    """Whether it joins a layer with itself by one matrix."""
    ops = connection.chain.shaped or ()
    lateral = isinstance(connection, ResolvedCoupling) and connection.source == connection.target
    return lateral and len(ops) == 1 and len(ops[0].in_shape) < _IMAGE


_IMAGE = 3
"""Sizes of a layer whose weights are kernels, which have no diagonal."""


def _check_settings(
    connection: ResolvedCoupling | ResolvedDrive, kind: EnergyConstruct, log: Log
) -> None:
    ops, settings = connection.chain.shaped, connection.settings
    if ops is None:
        return
    stated = [name for name, value in _OF_WEIGHTS.items() if settings.get(name) == value]
    weightless = not any(OPS[op.name].count_parameters(op) for op in ops)
    for name in stated:
        why, remedy = "", "leave it out"
        if weightless:
            why = "no op of the connection has a weight"
            remedy += ", or add an op with a weight such as `linear()`"
        elif name == "nonnegative" and kind.nonnegative:
            why = f"the weights of an energy `{kind.name}` are never negative"
        elif name == "zero_diagonal" and not _has_diagonal(connection):
            why = "it is for a layer of vectors or tokens that one `linear()` couples with itself"
        if why:
            message = f"`{name}` changes nothing here: {why}"
            log.report("FFE3010", message, connection.span, help=remedy)


def _check_ties(block: ResolvedBlock, log: Log) -> None:
    """Report `tied_to` of a coupling that cannot give its weights."""
    earlier: dict[str, ResolvedCoupling] = {}
    for coupling in block.couplings:
        name = str(coupling.settings["tied_to"])
        if name and name not in earlier:
            log.report(
                "FFE3013",
                f"`{name}` is not an earlier coupling of this block",
                coupling.span,
                help=did_you_mean(name, earlier) or "name one that is stated above it",
            )
        elif name:
            other = earlier[name]
            why, help = _misfit(coupling, other)
            if why:
                log.report(
                    "FFE3013",
                    f"`{coupling.text}` cannot use the weights of `{other.text}`: {why}",
                    coupling.span,
                    labels=[Label(other.span, "its weights")],
                    help=help,
                )
        earlier[coupling.name] = coupling


def _misfit(coupling: ResolvedCoupling, other: ResolvedCoupling) -> tuple[str, str]:
    """Why a coupling cannot use the weights of another one, and the remedy; ``""`` if it can."""
    for key, value in (("nonnegative", True), ("zero_diagonal", True), ("feedback", OWN)):
        if coupling.settings[key] == value:
            why = f"`{key}` is for a coupling with weights of its own"
            return why, "leave it out here: settings of weights are stated where the weights are"
    first = other.settings["tied_to"]
    if first:
        return f"these are those of `{first}`", f'write `tied_to = "{first}"`'
    if other.settings["feedback"] == OWN:
        return "it has others for its way back", "let it have one weight for both directions"
    ops, others = coupling.chain.shaped, other.chain.shaped
    # What is faulty has been reported.
    why = "" if ops is None or others is None else _difference(ops, others)
    return why, "let both have the same ops in the same order, with weights of the same shape"


def _difference(ops: Sequence[OpIR], others: Sequence[OpIR]) -> str:
    """In what two chains differ that cannot have the same weights; ``""`` if in nothing."""
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
