"""Names of a network's parts, and where they are in the text, for diagnostics about it."""

from __future__ import annotations

from collections.abc import Iterable

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.resolve import resolved
from ffebm_dsl.language.ir.resolve.resolve_block import UniqueNames


def places(model: resolved.ResolvedModel) -> dict[str, Span]:
    """The span of each part by its name: ``b1``, ``b1.u``, ``b1.s1``, ``b1.s1_s2``,
    ``b1.u_s1``, ``readout``.

    ``b1.energy`` is the energy of a block, ``b1.s1_s2.conv2d`` an op of a chain, ``input.x`` an
    input and ``target`` the target.

    A part that comes from a template is in the template. The model itself has the empty name.
    """
    found = {"": model.span, **{f"input.{end.name}": end.span for end in model.inputs}}
    if model.target is not None:
        found["target"] = model.target.span
    for stage in model.stages:
        found[stage.name] = stage.span
        if isinstance(stage, resolved.ResolvedMap):
            found |= _ops(stage.name, stage.chain)
            continue
        found[f"{stage.name}.energy"] = stage.energy_span
        found |= {f"{stage.name}.{layer.name}": layer.span for layer in stage.layers}
        for map_ in stage.maps:
            found |= {map_.port: map_.span, **_ops(map_.port, map_.chain)}
        for joint in stage.connections:
            name = f"{stage.name}.{joint.name}"
            found |= {name: joint.span, **_ops(name, joint.chain)}
    if model.readout is not None:
        found["readout"] = model.readout.span
        found |= _ops("readout", model.readout.chain)
    for map_ in model.auxiliary:
        found |= {map_.name: map_.span, **_ops(map_.name, map_.chain)}
    return found


def _ops(name: str, chain: resolved.ResolvedChain) -> dict[str, Span]:
    ops = [op for op in chain.ops if op is not None]
    names = op_names(op.name for op in ops)
    return {f"{name}.{own}": op.span for own, op in zip(names, ops, strict=True)}


def op_names(constructs: Iterable[str]) -> list[str]:
    """A name for each op of a chain, from the names of their constructs."""
    names = UniqueNames()
    return [names.new(construct) for construct in constructs]
