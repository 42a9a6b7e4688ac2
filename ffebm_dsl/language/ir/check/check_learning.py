"""Settings under which something can never learn: its gradient is zero whatever the weights.

A sweep in synchronous order carries a change from a layer to its neighbours and no further. So
the input needs a sweep per layer on its way to the outputs, and the nudge a sweep per layer on
its way back. Other orders carry it further in a sweep; ``ffebm check`` measures what arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.check.check_model import distances
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.ir.resolve.resolved import ResolvedBlock, ResolvedLoss, ResolvedSpec
from ffebm_dsl.language.ir.tools.count import count
from ffebm_dsl.language.registry import GRADIENTS

NOTHING = "FFE4008"


def check_learning(spec: ResolvedSpec, log: Log) -> None:
    """Report parts that cannot learn."""
    # Of what is faulty the couplings cannot be followed.
    if spec.model is None or log.failed:
        return
    for block in spec.model.blocks:
        _check_block(block, log.within(block.expansion))
    _check_losses(spec.model.losses, log)


def check_weights(spec: SpecIR, place: Span, log: Log) -> None:
    """Report a model that is to be trained and has no weights."""
    if spec.train is not None and count(spec.model).parameters == 0:
        log.report(
            NOTHING,
            f"model `{spec.model.name}` has no weights, and therefore nothing to train",
            place,
            help="give a map or a coupling an op with weights, or remove the train section",
        )


def _check_losses(losses: Sequence[ResolvedLoss], log: Log) -> None:
    if not any(loss.weight for loss in losses):
        log.report(
            NOTHING,
            "the loss is 0 for every prediction, as its terms have weight 0, and nothing can learn",
            losses[0].span,
            help="a weight above 0 for at least one term",
        )


def _check_block(block: ResolvedBlock, log: Log) -> None:
    outputs = distances((o.layer for o in block.outputs if o.layer), block)
    driven = distances((drive.layer for drive in block.drives), block)
    far = max((driven[o.layer] for o in block.outputs if o.layer in driven), default=0)
    free = block.free
    needed = far + 1 if free.order == "synchronous" else 1
    if free.start == "zeros" and free.sweeps < needed:
        log.report(
            NOTHING,
            f"{free.sweeps} free sweeps do not carry the input of block `{block.name}` to its "
            f"output, {far + 1} layers on, so that it cannot learn from it",
            block.span,
            help=f"`relax free {{ sweeps = ... }}` with more than {needed - 1}, another `order`, "
            "or `start = feedforward`",
        )
    call = block.gradient
    if call is not None and GRADIENTS[call.name].nudges:
        _check_nudged(block, outputs, log)


def _check_nudged(block: ResolvedBlock, outputs: Mapping[str, int], log: Log) -> None:
    """The phases of ``relax nudged`` must move the layers that weights and drives are at."""
    sweeps = block.nudged.sweeps
    message = f"block `{block.name}` is nudged for {sweeps} sweeps"
    help = "more `sweeps` in `relax nudged`"
    if sweeps == 0:
        why = "every gradient of it is 0, and nothing in it can learn"
        log.report(NOTHING, f"{message}: {why}", block.span, help=help)
        return
    if block.nudged.order != "synchronous":
        return
    for drive in block.drives:
        if outputs.get(drive.layer, 0) >= sweeps:
            log.report(
                NOTHING,
                f"{message}, which do not carry the nudge back to layer `{drive.layer}`: "
                "what drives it cannot learn",
                drive.span,
                help=f"{help}, or another `order`",
            )
