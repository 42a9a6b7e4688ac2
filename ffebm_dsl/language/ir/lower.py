"""A faultless resolved spec -> SpecIR: the same, without the places."""

from __future__ import annotations

from typing import TypeVar
from weakref import WeakValueDictionary

from ffebm_dsl.language.ir.check.check_model import read_by_loss
from ffebm_dsl.language.ir.model import (
    IDEAL,
    BlockIR,
    CallIR,
    CouplingIR,
    DriveIR,
    FeedforwardIR,
    InputIR,
    LayerIR,
    LossIR,
    ModelIR,
    OutputIR,
    SpecIR,
    TargetIR,
    TermIR,
    TrainIR,
)
from ffebm_dsl.language.ir.resolve import resolved

T = TypeVar("T")

NO_READOUT = "readout"
"""The name, which no text can declare, of the readout of a text without one."""

_LOWERED: WeakValueDictionary[int, SpecIR] = WeakValueDictionary()
"""Lowered specs that are still in use, by ``id``."""


def lower(spec: resolved.ResolvedSpec) -> SpecIR:
    """The IR of a spec in which no pass found an error."""
    t = spec.train
    lowered = SpecIR(
        version=spec.version,
        packages=spec.packages,
        parameters=spec.parameters,
        hardware=tuple(_known(device.ir) for device in spec.hardware.values()),
        model=_model(_known(spec.model)),
        train=TrainIR(t.data, t.optimizer, t.schedule, t.on_bad_step, **t.numbers) if t else None,
    )
    _LOWERED[id(lowered)] = lowered
    return lowered


def is_lowered(spec: SpecIR) -> bool:
    """Whether this very object is what the compiler made of a text."""
    return _LOWERED.get(id(spec)) is spec


def _known(part: T | None) -> T:
    """``part``, which can only be missing after a fault."""
    if part is None:
        raise AssertionError("a faulty spec was lowered without a diagnostic")
    return part


def _model(model: resolved.ResolvedModel) -> ModelIR:
    target = _known(model.target)
    last = read_by_loss(model)
    stages = tuple(
        _map(stage) if isinstance(stage, resolved.ResolvedMap) else _block(stage, stage is last)
        for stage in model.stages
    )
    return ModelIR(
        name=model.name,
        inputs=tuple(InputIR(end.name, end.kind, _known(end.shape)) for end in model.inputs),
        target=TargetIR(target.name, target.kind, _known(target.shape)[0]),
        stages=stages,
        readout=_map(model.readout) if model.readout else _no_readout(model.losses[0]),
        auxiliary=tuple(_map(readout) for readout in model.auxiliary),
        losses=tuple(_loss(loss, model.readout) for loss in model.losses),
        init=model.init.ir,
    )


def _loss(loss: resolved.ResolvedLoss, readout: resolved.ResolvedMap | None) -> LossIR:
    name = _known(loss.prediction.name) if readout else NO_READOUT
    return LossIR(name, loss.weight, loss.call.ir)


def _no_readout(loss: resolved.ResolvedLoss) -> FeedforwardIR:
    shape = _known(loss.shape)
    return FeedforwardIR(NO_READOUT, _known(loss.prediction.name), (), shape, shape)


def _map(map_: resolved.ResolvedMap) -> FeedforwardIR:
    return FeedforwardIR(
        map_.name,
        _known(map_.source.name),
        _known(map_.chain.shaped),
        _known(map_.in_shape),
        _known(map_.out_shape),
    )


def _block(block: resolved.ResolvedBlock, is_last: bool) -> BlockIR:
    return BlockIR(
        name=block.name,
        feedforwards=tuple(_map(map_) for map_ in block.maps),
        energy=_known(block.energy),
        hardware=block.device.text if block.device else IDEAL,
        layers=tuple(
            LayerIR(layer.name, _known(layer.shape), _known(layer.activation).ir)
            for layer in block.layers
        ),
        couplings=tuple(
            CouplingIR(c.name, c.source, c.target, _known(c.chain.shaped), c.settings)
            for c in block.couplings
        ),
        drives=tuple(
            DriveIR(d.name, _known(d.source.name), d.layer, _known(d.chain.shaped), d.settings)
            for d in block.drives
        ),
        terms=tuple(TermIR(t.name, t.layer, _known(t.call).ir) for t in block.terms),
        outputs=tuple(OutputIR(output.name, _known(output.layer)) for output in block.outputs),
        free=block.free,
        nudged=block.nudged,
        gradient=_gradient(block, is_last),
        init=block.init.ir,
    )


def _gradient(block: resolved.ResolvedBlock, is_last: bool) -> CallIR:
    """The block's estimator; what the model says of nudging by the loss holds for the last."""
    call = _known(block.gradient).ir
    if call.arguments.get("nudge") == "loss" and not is_last:
        return CallIR(call.name, {**call.arguments, "nudge": "cotangent"})
    return call
