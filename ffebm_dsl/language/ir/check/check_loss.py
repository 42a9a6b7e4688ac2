"""Checks of the loss: the port that it reads, and the target that it compares it with."""

from __future__ import annotations

from math import prod

from ffebm_dsl.language.diagnostics import Fix, Label
from ffebm_dsl.language.diagnostics.fix import replace
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.resolve.edits import set_argument, set_name
from ffebm_dsl.language.ir.resolve.resolved import (
    ResolvedEnd,
    ResolvedLoss,
    ResolvedMap,
    ResolvedModel,
)
from ffebm_dsl.language.registry import LOSSES, OPS, TARGETS, show_shape


def check_losses(model: ResolvedModel, log: Log) -> None:
    """Report terms of the loss that cannot be, and readouts that none of them reads."""
    _check_reconstruction(model, log)
    for loss in model.losses:
        _check_loss(model, loss, log)
    if model.losses:
        _check_readouts(model, log)


def _check_reconstruction(model: ResolvedModel, log: Log) -> None:
    """A target that is what the inputs hold has as many numbers."""
    target = model.target
    shapes = [end.shape for end in model.inputs if end.shape]
    if not (target and target.shape and len(shapes) == len(model.inputs)):
        return
    size = sum(map(prod, shapes))
    if TARGETS[target.kind].of_input and target.shape[0] != size:
        names = " and ".join(f"`{end.name}`" for end in model.inputs)
        log.report(
            "FFE5003",
            f"`{target.name}` is the {size} numbers of {names}, and not {target.shape[0]}",
            target.span,
            fix=replace(target.span, f"{target.kind}({size})"),
        )


def _check_loss(model: ResolvedModel, loss: ResolvedLoss, log: Log) -> None:
    name = loss.prediction.name
    readout = next((map_ for map_ in model.readouts if map_.name == name), None)
    if readout is None and model.readout and name is not None:
        _report_no_readout(model, loss, model.readout, log)
        return
    target = model.target
    if target is None or target.shape is None:
        return
    if target.kind not in LOSSES[loss.call.name].targets:
        _report_target(loss, target, log)
    elif loss.shape is not None:
        _check_loss_shape(loss.shape, target, loss, readout, log)
    misfit = LOSSES[loss.call.name].misfit(loss.call.arguments, target.shape[0])
    if misfit is not None:
        message, remedy = misfit
        log.report("FFE5008", f"{loss.call.name}: {message}", loss.span, help=remedy)


def _report_no_readout(
    model: ResolvedModel, loss: ResolvedLoss, readout: ResolvedMap, log: Log
) -> None:
    """The loss reads a port that is no readout, though the model has some."""
    several = bool(model.auxiliary) or len(model.losses) > 1
    readable = f"a readout: {', '.join(f'`{m.name}`' for m in model.readouts)}"
    log.report(
        "FFE5006",
        f"the loss reads `{loss.prediction.name}` and not "
        + (readable if several else f"the readout `{readout.name}`"),
        loss.prediction.span,
        labels=[Label(readout.span, "a readout" if several else "the readout")],
        help=f"let a readout read it: `readout name = {loss.prediction.name}`"
        if several
        else f"write `loss = {loss.call.name}({readout.name}, ...)`, or remove the readout",
        fix=None if several else replace(loss.prediction.span, readout.name),
    )


def _check_readouts(model: ResolvedModel, log: Log) -> None:
    """Every readout is read by a term; without readouts, all terms read one port."""
    read = {loss.prediction.name for loss in model.losses}
    if None in read:
        return
    if read <= {map_.name for map_ in model.readouts}:
        for map_ in model.readouts:
            if map_.name not in read:
                log.report(
                    "FFE5006",
                    f"no term of the loss reads the readout `{map_.name}`",
                    map_.span,
                    help=f"add one, such as `+ 0.3 * {model.losses[0].call.name}({map_.name}, "
                    "...)`, or remove the readout",
                )
    elif not model.readout and len(read) > 1:
        other = next(
            x for x in model.losses if x.prediction.name != model.losses[0].prediction.name
        )
        log.report(
            "FFE5006",
            f"the terms of the loss read {len(read)} ports, and each of them needs a readout",
            other.prediction.span,
            help=f"write `readout name = {other.prediction.name}`, and `name` here",
        )


def _report_target(loss: ResolvedLoss, target: ResolvedEnd, log: Log) -> None:
    """The target is of a kind that the loss does not take; another loss may take it."""
    wanted = " or ".join(f"`{kind}`" for kind in LOSSES[loss.call.name].targets)
    other = next((n for n, known in LOSSES.visible().items() if target.kind in known.targets), "")
    log.report(
        "FFE5001",
        f"{loss.call.name} takes a target {wanted}, and `{target.name}` is a `{target.kind}`",
        loss.span,
        labels=[Label(target.span, "the target")],
        help=f"use {other} for a `{target.kind}`" if other else "",
        fix=set_name(loss.call, other) if other else None,
    )


def _check_loss_shape(
    shape: tuple[int, ...],
    target: ResolvedEnd,
    loss: ResolvedLoss,
    readout: ResolvedMap | None,
    log: Log,
) -> None:
    size = (target.shape or (0,))[0]
    flat = LOSSES[loss.call.name].flat
    if (prod(shape) if flat else shape) == (size if flat else (size,)):
        return
    what = "classes" if TARGETS[target.kind].classes else "numbers"
    vector = len(shape) == 1
    log.report(
        "FFE2006",
        f"{loss.call.name} compares {show_shape(shape)} with a target of {size} {what}",
        loss.span,
        labels=[Label(target.span, f"{size} {what}")],
        help=f"end the readout with `linear({size})`"
        if vector
        else f"end the readout with `flatten() |> linear({size})`",
        fix=_resized(readout, size, log) if vector and readout else None,
    )


def _resized(readout: ResolvedMap, size: int, log: Log) -> Fix | None:
    """Let a readout that ends with an op with a weight give ``size`` numbers."""
    last = readout.chain.ops[-1] if readout.chain.ops else None
    if last is None or not OPS[last.name].counted:
        return None
    return set_argument(last, OPS[last.name].counted, str(size), log.source)
