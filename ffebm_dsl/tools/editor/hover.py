"""Documentation and facts about the token or arrow at a place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from types import MappingProxyType
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.resolve.resolved import (
    ResolvedBlock,
    ResolvedCoupling,
    ResolvedDrive,
    ResolvedLayer,
    ResolvedMap,
)
from ffebm_dsl.language.ir.tools.count import BlockCount, PartCount, op_macs, op_parameters
from ffebm_dsl.language.ir.tools.notation import written, written_briefly
from ffebm_dsl.language.registry import TABLES, show_shape
from ffebm_dsl.language.registry.card import describe, describe_parameter
from ffebm_dsl.language.syntax import Token
from ffebm_dsl.language.syntax.declarations import Declaration
from ffebm_dsl.language.syntax.grammar import LATER
from ffebm_dsl.tools.editor.analysis import Analysis, declaration_at
from ffebm_dsl.tools.editor.expect import Expected, expected


class Hover(NamedTuple):
    """Markdown, and the place that it is about."""

    span: Span
    text: str


def hover(analysis: Analysis, offset: int) -> Hover | None:
    """The documentation of a keyword, entry or argument; shapes and counts of what is declared."""
    token = analysis.token_at(offset)
    if token is None:
        return None
    said = list(_said(analysis, token))
    return Hover(token.span, "\n\n".join(said)) if said else None


def _said(analysis: Analysis, token: Token) -> Iterator[str]:
    if token.text in ARROW_DOCS:
        yield from connection_facts(analysis, token.span)
        yield ARROW_DOCS[token.text]
    elif token.type in LATER:
        yield KEYWORD_DOCS[LATER[token.type]]
    elif token.kind == "keyword":
        yield KEYWORD_DOCS[token.text]
    elif token.type == "NAME" and analysis.program is not None:
        found = declaration_at(analysis, token.span.start)
        if found is not None:
            yield f"```ffe\n{found.keyword} {found.name}\n```"
            yield from filter(None, [found.doc])
            yield from facts(analysis, found)
            return
        yield from _documented(token.text, expected(analysis.program, token.span))


def _documented(token: str, wanted: Expected) -> Iterator[str]:
    """The documentation of a construct, argument or word."""
    if wanted.signature is not None and token in wanted.signature.names:
        yield describe_parameter(wanted.signature.parameter(token))
    elif wanted.table and token in TABLES[wanted.table]:
        yield describe(TABLES[wanted.table][token])
    elif wanted.parameter is not None and token in wanted.parameter.choices:
        yield describe_parameter(wanted.parameter)


KEYWORD_DOCS: Mapping[str, str] = MappingProxyType(
    {
        "ffe": "The version of the language: the first line of a text.",
        "use": "A package whose constructs the text names: `use mylab >= 0.2`.",
        "param": "A value that `--set` can change: `param width: int = 16 in [8, 16]`.",
        "in": "The values that a `param` may have.",
        "template": "A block with arguments, for use by `block b = name(...)`.",
        "model": "The network: input, target, maps, blocks, readout, loss.",
        "input": "What the network sees, or one of several: `input x: image(1, 8, 8)`.",
        "target": "What it is to predict: `target y: label(10)`. Only the loss reads it.",
        "readout": "The digital map at the end: `readout logits = b |> linear(10)`.",
        "loss": "What training makes small: `loss = cross_entropy(logits, y)`.",
        "block": "An energy block, with the feedforward maps that drive it.",
        "feedforward": "A digital map, trained by backpropagation: `feedforward u = x |> relu`.",
        "relax": "How a phase relaxes; what the model states, blocks inherit key by key.",
        "gradient": "How blocks get their gradients: `gradient ep(beta=0.2)`.",
        "init": "How weights are drawn.",
        "out": "A layer that the block hands on: `out = s2`, or `out name = s1`.",
        "energy": "Layers, drives and couplings, which relax to a minimum of the energy.",
        "layer": "A layer with its shape and activation: `layer s1: [64] hard_sigmoid`.",
        "on": "The hardware that an energy is on: `energy hopfield on rram { ... }`.",
        "hardware": "A device that energies can be on: its weights, noise and converters.",
        "train": "How the network is trained: data, optimizer, epochs.",
        "true": "The truth value.",
        "false": "The truth value.",
    }
)
"""A line for every keyword; a test checks that none is missing."""

ARROW_DOCS: Mapping[str, str] = MappingProxyType(
    {
        "->": "A drive: the port on the left pushes the layer on the right, one way.",
        "<->": "A symmetric coupling: one weight that acts both ways between two layers.",
        "|>": "Hands the result on the left to the op on the right.",
    }
)


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
    is_end = declaration.keyword in ("input", "target")
    for end in (*model.inputs, model.target):
        if is_end and end is not None and end.shape and declaration.name == end.name:
            yield f"{end.kind} {show_shape(end.shape)}"
    maps = [stage for stage in model.stages if isinstance(stage, ResolvedMap)]
    for map_ in (*maps, *model.readouts):
        if map_.span == place:
            yield _map_fact(map_)
    for block in model.blocks:
        where = f"in `{block.name}`: " if block.expansion else ""
        if block.span == place:
            yield _block_fact(block, _counted(analysis, block))
        yield from (where + _map_fact(m) for m in block.maps if m.span == place)
        yield from (where + _layer_fact(x) for x in block.layers if x.span == place)


def connection_facts(analysis: Analysis, arrow: Span) -> Iterator[str]:
    """Shapes and counts of the coupling or drive that an arrow belongs to."""
    model = analysis.spec.model if analysis.spec else None
    for block in model.blocks if model else ():
        where = f"in `{block.name}`: " if block.expansion else ""
        counted = _counted(analysis, block)
        parts = (*counted.couplings, *counted.drives) if counted else ()
        costs = {part.name: f"; {_cost(part)}" for part in parts}
        joints: list[ResolvedCoupling | ResolvedDrive] = [*block.couplings, *block.drives]
        for joint in joints:
            ends = joint.span.start <= arrow.start < joint.chain.span.start
            if ends or (not joint.chain.ops and _inside(arrow, joint.span)):
                yield where + _ends(joint, block) + costs.get(joint.name, "")


def _counted(analysis: Analysis, block: ResolvedBlock) -> BlockCount | None:
    blocks = analysis.counted.blocks if analysis.counted else ()
    return next((counted for counted in blocks if counted.name == block.name), None)


def _inside(inner: Span, outer: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _map_fact(map_: ResolvedMap) -> str:
    if map_.in_shape is None or map_.out_shape is None:
        return "shapes unknown"
    ends = f"{show_shape(map_.in_shape)} -> {show_shape(map_.out_shape)}"
    ops = map_.chain.shaped or ()
    cost = PartCount(map_.name, sum(map(op_parameters, ops)), sum(map(op_macs, ops)))
    return f"{ends}; {_cost(cost)}"


def _cost(part: PartCount) -> str:
    return f"{part.parameters:,} parameters, {part.macs:,} MACs per sample"


def _layer_fact(layer: ResolvedLayer) -> str:
    if layer.shape is None:
        return "shape unknown"
    activation = layer.activation
    words = written_briefly(activation.ir, "activations") if activation else "activation unknown"
    return f"{show_shape(layer.shape)}, {prod(layer.shape):,} units, {words}"


def _ends(joint: ResolvedCoupling | ResolvedDrive, block: ResolvedBlock) -> str:
    if isinstance(joint, ResolvedCoupling):
        source, target = (block.layer(end).shape for end in (joint.source, joint.target))
        named, arrow = f"`{joint.text}`: ", "<->"
    else:
        target = block.layer(joint.layer).shape
        source = joint.chain.shaped[0].in_shape if joint.chain.shaped else target
        named, arrow = "", "->"
    return named + f" {arrow} ".join(show_shape(s) if s else "?" for s in (source, target))


def _block_fact(block: ResolvedBlock, counted: BlockCount | None) -> str:
    units = sum(prod(layer.shape) for layer in block.layers if layer.shape)
    layers = f"{len(block.layers)} layer{'s' if len(block.layers) != 1 else ''}"
    total = counted.digital_parameters + counted.analog_parameters if counted else 0
    return f"{layers} of {units:,} units" + (f"; {total:,} parameters" if counted else "")
