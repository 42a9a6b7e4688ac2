"""Resistive blocks as a SPICE netlist: resistors, diodes, voltage and current sources.

The netlist is for one sample. ngspice (``ngspice -b FILE``) prints the equilibrium voltages of the
circuit; those of ffebm are given in comments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from math import inf, prod

import torch
from torch import Tensor

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.physics.energy import ResistiveEnergy
from ffebm_dsl.physics.energy.op_chain import BoundChain
from ffebm_dsl.physics.energy.resistive import BoundResistive
from ffebm_dsl.physics.interfaces import Layer
from ffebm_dsl.physics.network import EnergyBlock, HybridNetwork, Inputs

MOST_RESISTORS = 50_000
"""Maximum number of resistors in a netlist, which is meant for a general circuit simulator."""

HEAD = """* ffebm: the resistive blocks of {name}, one sample; solve by: ngspice -b FILE
.options reltol=1e-9 vntol=1e-12 abstol=1e-15 gmin=1e-15 itl1=5000 numdgt=12
* Nearly ideal: 36 microvolt across a diode at 1 ampere.
.model ideal d(is=1e-6 n=1e-4)"""


def netlist(network: HybridNetwork, inputs: Inputs | Tensor, name: str = "the network") -> str:
    """The circuits of all resistive blocks of ``network`` at its inputs, (1, *shape) each.

    Raises:
        InputError: there is none, or they have more than ``MOST_RESISTORS`` resistors, or
            the inputs are not one sample.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else inputs
    for key, x in zip(network.inputs, inputs, strict=False):
        if list(x.shape) != [1, *network.inputs[key]]:
            raise InputError(
                f"a netlist is for one sample, and the input {key} has shape {list(x.shape)}",
                help=f"give it the shape {[1, *network.inputs[key]]}",
            )
    blocks = [b.core for b in network.blocks if isinstance(b.core.energy, ResistiveEnergy)]
    if not blocks:
        raise InputError(
            f"{name} has no resistive block, and so no circuit",
            help="a netlist is that of blocks with `energy resistive`",
        )
    lines = [HEAD.format(name=name)]
    names = _Names()
    was_training = network.training
    # In training a device would be programmed anew for each of the following.
    network.eval()
    try:
        for core, drives in zip(blocks, _drives(network, blocks, inputs), strict=True):
            lines += _circuit(core, drives, names)
    finally:
        network.train(was_training)
    return "\n".join([*lines, ".op", ".end", ""])


def _drives(
    network: HybridNetwork, blocks: Sequence[EnergyBlock], inputs: Inputs
) -> list[tuple[Tensor, ...]]:
    """The drives of each block."""
    seen: dict[int, tuple[Tensor, ...]] = {}

    def keep(core: torch.nn.Module, drives: tuple[Tensor, ...]) -> None:
        seen[id(core)] = drives

    hooks = [core.register_forward_pre_hook(keep) for core in blocks]
    try:
        with torch.no_grad():
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return [seen[id(core)] for core in blocks]


class _Names:
    """Unique names of nodes and parts, as SPICE does not distinguish upper and lower case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._parts = count(1)

    def nodes(self, name: str, size: int) -> list[str]:
        stem = name.lower()
        while stem in self._taken:
            stem += "_"
        self._taken.add(stem)
        return [f"{stem}_{k}" for k in range(size)]

    def part(self, letter: str) -> str:
        return f"{letter}{next(self._parts)}"


def _circuit(core: EnergyBlock, drives: Sequence[Tensor], names: _Names) -> Iterator[str]:
    energy = core.energy
    assert isinstance(energy, ResistiveEnergy)
    solution, _ = core.solve(*drives, settings=core.settings.quiet())
    bound = _bound(core, drives)
    drives = bound.drives
    nodes = [names.nodes(f"{core.name}_{y.name}", prod(y.shape)) for y in energy.layers]
    yield f"* block {core.name}"
    matrices = _matrices(bound)
    if (total := sum(int((g != 0).sum()) for g in matrices)) > MOST_RESISTORS:
        raise InputError(
            f"block `{core.name}` has {total:,} resistors, more than the {MOST_RESISTORS:,} of a "
            "netlist",
            help="make its layers smaller, with --set where the spec has a `param` for them",
        )
    ends = [(nodes[c.source], nodes[c.target]) for c in energy.couplings]
    for key, drive, u in zip(energy.drives.names(), energy.drives, drives, strict=True):
        sources = names.nodes(f"{core.name}_{key}_source", u[0].numel())
        for node, volts in zip(sources, u[0].flatten().tolist(), strict=True):
            yield f"{names.part('v')} {node} 0 {volts!r}"
        ends.append((sources, nodes[drive.layer]))
    for (rows, columns), matrix in zip(ends, matrices, strict=True):
        for i, j in matrix.nonzero().tolist():
            yield f"{names.part('r')} {rows[i]} {columns[j]} {1 / float(matrix[i, j])!r}"
    for layer, own, currents in zip(energy.layers, nodes, _currents(bound), strict=True):
        for node, current in zip(own, currents.flatten().tolist(), strict=True):
            if current:
                yield f"{names.part('i')} 0 {node} {current!r}"
        yield from _diodes(layer, own, names)
    yield "* at rest, as ffebm finds it:"
    for own, s in zip(nodes, solution.state, strict=True):
        for node, volts in zip(own, s[0].flatten().tolist(), strict=True):
            yield f"* v({node}) = {volts!r}"


def _bound(core: EnergyBlock, drives: Sequence[Tensor]) -> BoundResistive:
    """The energy with the conductances and sources that the block's device has."""
    energy = core.energy
    assert isinstance(energy, ResistiveEnergy)
    weights = {name: w.detach() for name, w in energy.weights().items()}
    if core.device is not None:
        weights, drives = core.device.programmed(weights), core.device.enter(drives)
    # With a graph, as chains without one have buffers for one size of batches.
    return energy.bind([u.detach() for u in drives], weights, graph=True)


def _matrices(bound: BoundResistive) -> list[Tensor]:
    """The conductances of every coupling, then of every drive: (input entries, output entries)."""
    shapes = [bound.layers[source].shape for source, _ in bound.ends]
    shapes += [tuple(u.shape[1:]) for u in bound.drives]
    found = []
    for chain, shape in zip(_chains(bound), shapes, strict=True):
        size = prod(shape)
        each = torch.eye(size, dtype=bound.drives[0].dtype).view(size, *shape)
        found.append(chain.tangent(each, ()).flatten(1))
    return found


def _currents(bound: BoundResistive) -> list[Tensor]:
    """The currents into the nodes of each layer due to biases."""
    total = [bound.drives[0].new_zeros(1, *layer.shape) for layer in bound.layers]
    ends = [target for _, target in bound.ends] + bound.driven
    for chain, layer in zip(_chains(bound), ends, strict=True):
        offset = chain.offset()
        if offset is not None:
            total[layer] = total[layer] + offset
    return total


def _chains(bound: BoundResistive) -> list[BoundChain]:
    """The chains of couplings, then of drives."""
    return [*(pair.there for pair in bound.couplings), *bound.drive_chains]


def _diodes(layer: Layer, nodes: Sequence[str], names: _Names) -> Iterator[str]:
    """A diode at each finite end of a node's range, to ground or to a source of that voltage."""
    for sign in (-1, 1):
        limits = layer.activation.project(torch.full((1, *layer.shape), sign * inf))
        references: dict[float, str] = {0.0: "0"}
        for node, limit in zip(nodes, limits.flatten().tolist(), strict=True):
            if abs(limit) == inf:
                continue
            if limit not in references:
                (references[limit],) = names.nodes(f"limit_{layer.name}", 1)
                yield f"{names.part('v')} {references[limit]} 0 {limit!r}"
            ends = (references[limit], node) if sign < 0 else (node, references[limit])
            yield f"{names.part('d')} {' '.join(ends)} ideal"
