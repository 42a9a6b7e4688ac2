"""Shapes of every map and coupling, from the input and the layers' declarations."""

from __future__ import annotations

from ffebm_dsl.language.ir.check.infer_couplings import infer_connection
from ffebm_dsl.language.ir.check.op_shapes import report_misfit, trace
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import Shape
from ffebm_dsl.language.ir.resolve.bind import BoundCall
from ffebm_dsl.language.ir.resolve.resolved import (
    ResolvedBlock,
    ResolvedMap,
    ResolvedModel,
    ResolvedSpec,
)
from ffebm_dsl.language.registry import OPS

PortShapes = dict[str, Shape | None]


def infer_shapes(spec: ResolvedSpec, log: Log) -> ResolvedSpec:
    """The spec with its chains between known shapes; what does not fit is reported."""
    if spec.model is None:
        return spec
    return spec._replace(model=_infer_model(spec.model, log))


def _infer_model(model: ResolvedModel, log: Log) -> ResolvedModel:
    ports: PortShapes = {end.name: end.shape for end in model.inputs}
    stages: list[ResolvedMap | ResolvedBlock] = []
    for stage in model.stages:
        if isinstance(stage, ResolvedMap):
            stages.append(_infer_map(stage, ports, log))
        else:
            stages.append(_infer_block(stage, ports, log.within(stage.expansion)))
    maps = [_infer_map(readout, ports, log) for readout in model.readouts]
    return model._replace(
        stages=tuple(stages),
        readout=maps[0] if maps else None,
        auxiliary=tuple(maps[1:]),
        losses=tuple(x._replace(shape=ports.get(x.prediction.name or "")) for x in model.losses),
    )


def _infer_map(map_: ResolvedMap, ports: PortShapes, log: Log) -> ResolvedMap:
    """The map with its shapes; ``ports`` learns the shape of its result."""
    source = ports.get(map_.source.name) if map_.source.name else None
    ports[map_.port] = None
    if source is None:
        return map_
    # Behind an op that is faulty, or reads a port that is, no shape is known.
    ops: list[BoundCall] = []
    known = {port: shape for port, shape in ports.items() if shape is not None}
    for op in map_.chain.ops:
        if op is None or (OPS[op.name].joins and op.arguments["port"] not in known):
            break
        ops.append(op)
    traced = trace(ops, source, known)
    if traced.misfit is not None:
        report_misfit(traced.misfit, traced.at, log)
    elif len(ops) == len(map_.chain.ops):
        ports[map_.port] = traced.shape
        chain = map_.chain._replace(shaped=traced.ops)
        return map_._replace(chain=chain, in_shape=source, out_shape=traced.shape)
    return map_._replace(in_shape=source)


def _infer_block(block: ResolvedBlock, ports: PortShapes, log: Log) -> ResolvedBlock:
    maps = tuple(_infer_map(map_, ports, log) for map_ in block.maps)
    couplings = tuple(
        infer_connection(c, block.layer(c.source).shape, block, log) for c in block.couplings
    )
    drives = tuple(
        infer_connection(d, ports.get(d.source.name or ""), block, log) for d in block.drives
    )
    for output in block.outputs:
        shape = block.layer(output.layer).shape if output.layer else None
        ports[f"{block.name}.{output.name}"] = shape
    return block._replace(maps=maps, couplings=couplings, drives=drives)
