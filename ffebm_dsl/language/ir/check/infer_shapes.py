"""Shapes of every map and coupling, from the input and the layers' declarations."""

from __future__ import annotations

from ffebm_dsl.language.diagnostics import Label
from ffebm_dsl.language.ir.check.infer_couplings import infer_coupling, infer_drive
from ffebm_dsl.language.ir.check.shape_reports import joined, report_misfit
from ffebm_dsl.language.ir.check.shapes import apply_op
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import OpIR, Shape
from ffebm_dsl.language.ir.resolve.resolved import Block, Drive, Map, Model, Spec
from ffebm_dsl.language.registry import Misfit, show_shape

PortShapes = dict[str, Shape | None]


def infer_shapes(spec: Spec, log: Log) -> Spec:
    """The spec with its chains between known shapes; what does not fit is reported."""
    if spec.model is None:
        return spec
    return spec._replace(model=_infer_model(spec.model, log))


def _infer_model(model: Model, log: Log) -> Model:
    ports: PortShapes = {}
    if model.input:
        ports[model.input.name] = model.input.shape
    stages: list[Map | Block] = []
    for stage in model.stages:
        if isinstance(stage, Map):
            stages.append(_infer_map(stage, ports, log))
        else:
            stages.append(_infer_block(stage, ports, log.within(stage.expansion)))
    readout = _infer_map(model.readout, ports, log) if model.readout else None
    return model._replace(stages=tuple(stages), readout=readout)


def _infer_map(map_: Map, ports: PortShapes, log: Log) -> Map:
    """The map with its shapes; ``ports`` learns the shape of its result."""
    source = ports.get(map_.source.name) if map_.source.name else None
    shaped: list[OpIR] | None = [] if source is not None else None
    shape = source
    for op in map_.chain.ops:
        if shape is None or shaped is None or op is None:
            shaped = None
            break
        fit = apply_op(op.name, op.arguments, shape)
        if isinstance(fit, Misfit):
            report_misfit(fit, op, log)
            shaped = None
            break
        shaped.append(OpIR(op.name, op.arguments, shape, fit.shape))
        shape = fit.shape
    done = tuple(shaped) if shaped is not None else None
    out = shape if done is not None else None
    ports[map_.port] = out
    chain = map_.chain._replace(shaped=done)
    return map_._replace(chain=chain, in_shape=source, out_shape=out)


def _infer_block(block: Block, ports: PortShapes, log: Log) -> Block:
    maps = tuple(_infer_map(map_, ports, log) for map_ in block.maps)
    couplings = tuple(infer_coupling(c, block, log) for c in block.couplings)
    drives = tuple(_infer_drive(drive, block, ports, log) for drive in block.drives)
    for output in block.outputs:
        shape = block.layer(output.layer).shape if output.layer else None
        ports[f"{block.name}.{output.name}"] = shape
    return block._replace(maps=maps, couplings=couplings, drives=drives)


def _infer_drive(drive: Drive, block: Block, ports: PortShapes, log: Log) -> Drive:
    """The drive with its ops between known shapes; what does not fit is reported."""
    layer = block.layer(drive.layer)
    shape = ports.get(drive.source.name) if drive.source.name else None
    if drive.chain.ops:
        return infer_drive(drive, shape, layer, block.name, log)
    if shape is None or layer.shape is None:
        return drive
    if shape == layer.shape:
        return drive._replace(chain=drive.chain._replace(shaped=()))
    log.report(
        "FFE2004",
        f"layer `{layer.name}` of block `{block.name}` has {show_shape(layer.shape)}, "
        f"and its drive {show_shape(shape)}",
        # Not at the drive, which only names both: nothing there could be mended.
        layer.shape_span,
        labels=[Label(drive.span, f"the port has {show_shape(shape)}")],
        notes=joined(layer.facts),
        help="a drive is added entry by entry, so both shapes must be equal; or add ops that "
        "make them so, such as `: linear()`",
    )
    return drive
