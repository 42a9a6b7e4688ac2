"""Shapes, counts and values of what a text declares, from the resolved spec."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.resolve.resolved import Block, Chain, Coupling, Layer, Map
from ffebm_dsl.language.ir.tools.count import op_macs, op_parameters
from ffebm_dsl.language.ir.tools.notation import written, written_briefly
from ffebm_dsl.language.registry import show_shape
from ffebm_dsl.language.syntax.declarations import Declaration
from ffebm_dsl.tools.editor.analysis import Analysis


def facts(analysis: Analysis, declaration: Declaration) -> Iterator[str]:
    """A line for each thing that is known; one for each use of a template.

    Nothing about what is faulty, or in a text that could not be read.
    """
    spec, place = analysis.spec, declaration.span
    if spec is None:
        return
    if declaration.keyword == "param" and declaration.name in spec.parameters:
        yield f"value {written(spec.parameters[declaration.name])}"
    model = spec.model
    if model is None:
        return
    for keyword, end in (("input", model.input), ("target", model.target)):
        if end is not None and end.shape and declaration.keyword == keyword:
            yield f"{end.kind} {show_shape(end.shape)}"
    maps = [stage for stage in model.stages if isinstance(stage, Map)]
    for map_ in (*maps, *((model.readout,) if model.readout else ())):
        if map_.span == place:
            yield _map_fact(map_)
    for block in (stage for stage in model.stages if isinstance(stage, Block)):
        where = f"in `{block.name}`: " if block.expansion else ""
        if block.span == place:
            yield _block_fact(block)
        yield from (where + _map_fact(m) for m in block.maps if m.span == place)
        yield from (where + _layer_fact(x) for x in block.layers if x.span == place)


def connection_facts(analysis: Analysis, arrow: Span) -> Iterator[str]:
    """What is known of the coupling that an arrow belongs to."""
    model = analysis.spec.model if analysis.spec else None
    for block in model.stages if model else ():
        if not isinstance(block, Block):
            continue
        where = f"in `{block.name}`: " if block.expansion else ""
        for coupling in block.couplings:
            ends = coupling.span.start <= arrow.start < coupling.chain.span.start
            if ends or (not coupling.chain.ops and _inside(arrow, coupling.span)):
                yield where + _coupling_fact(coupling, block)


def _inside(inner: Span, outer: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _map_fact(map_: Map) -> str:
    if map_.in_shape is None or map_.out_shape is None:
        return "shapes unknown"
    ends = f"{show_shape(map_.in_shape)} -> {show_shape(map_.out_shape)}"
    return f"{ends}; {_cost(map_.chain)}"


def _cost(chain: Chain) -> str:
    ops = chain.shaped or ()
    parameters, macs = sum(map(op_parameters, ops)), sum(map(op_macs, ops))
    return f"{parameters:,} parameters, {macs:,} MACs per sample"


def _layer_fact(layer: Layer) -> str:
    if layer.shape is None:
        return "shape unknown"
    activation = layer.activation
    words = written_briefly(activation.ir, "activations") if activation else "activation unknown"
    return f"{show_shape(layer.shape)}, {prod(layer.shape):,} units, {words}"


def _coupling_fact(coupling: Coupling, block: Block) -> str:
    shapes = [block.layer(end).shape for end in (coupling.source, coupling.target)]
    ends = " <-> ".join(show_shape(shape) if shape else "?" for shape in shapes)
    known = coupling.chain.shaped is not None
    return f"`{coupling.text}`: {ends}" + (f"; {_cost(coupling.chain)}" if known else "")


def _block_fact(block: Block) -> str:
    chains = [m.chain for m in block.maps] + [c.chain for c in block.couplings]
    total = sum(op_parameters(op) for chain in chains for op in chain.shaped or ())
    units = sum(prod(layer.shape) for layer in block.layers if layer.shape)
    layers = f"{len(block.layers)} layer{'s' if len(block.layers) != 1 else ''}"
    return f"{layers} of {units:,} units; {total:,} parameters"
