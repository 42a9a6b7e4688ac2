"""Checks of the constructs that a spec's energy blocks use."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Generator, nn

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import Diagnostic, SourceFile, Span
from ffebm_dsl.language.ir.model import BlockIR, CallIR, CouplingIR, DriveIR, OpIR, Shape, SpecIR
from ffebm_dsl.language.ir.tools.part_names import op_names
from ffebm_dsl.language.registry import ACTIVATIONS, ENERGIES, OPS, Construct, Table
from ffebm_dsl.language.registry.tables import OWN, PROCESS
from ffebm_dsl.physics.energy import OpWeights
from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.tools.checking.energy_promises import energy_promises
from ffebm_dsl.tools.checking.op_promises import op_promises
from ffebm_dsl.tools.checking.promises import Promise, activation_promises


@dataclass(frozen=True)
class ConstructRow:
    """One construct with its arguments, and its promises.

    Attributes:
        name: of the construct.
        noun: what kind of construct it is: ``op``, ``activation``, ``energy``.
        package: package that provides it; ``""`` for ffebm, ``this process`` if registered.
        place: the label of the part of the model that uses it first.
        promises: every comparison that was made.
    """

    name: str
    noun: str
    package: str
    place: str
    promises: tuple[Promise, ...]

    @property
    def broken(self) -> list[Promise]:
        return [promise for promise in self.promises if not promise.kept]

    def to_dict(self) -> dict[str, object]:
        """The row as plain mappings and lists."""
        return {
            "construct": self.name,
            "kind": self.noun,
            "package": self.package,
            "place": self.place,
            "promises": [asdict(p) | {"kept": p.kept} for p in self.promises],
        }


def check_promises(spec: SpecIR, *, seed: int = 0) -> list[ConstructRow]:
    """Check the promises of every activation, op and energy of a spec, in float64.

    A construct is checked once for each set of arguments and shapes, energies only if everything
    else passes, as faults of their parts would show in them. ``seed`` is the seed of weights,
    states and directions; the global random state of torch is neither used nor changed.
    """
    with torch.random.fork_rng(devices=[]):
        # The weights of an op alone are drawn by its module, as PyTorch's are, on the CPU.
        torch.default_generator.manual_seed(seed)
        return _checked(spec, build(spec, seed=seed, dtype=torch.float64), seed)


def _checked(spec: SpecIR, network: HybridNetwork, seed: int) -> list[ConstructRow]:
    generator = Generator().manual_seed(seed)
    rows: dict[str, ConstructRow] = {}
    for ir in spec.model.blocks:
        for table, call, place, asked in _parts(ir, generator):
            if repr(call) not in rows:
                rows[repr(call)] = _row(table, call.name, place, asked)
    found = list(rows.values())
    if any(row.broken for row in found):
        return found
    for ir, block in zip(spec.model.blocks, network.blocks, strict=True):
        energy = block.core.energy
        _move(energy, generator)
        asked = energy_promises(energy, _drive_shapes(ir), generator)
        found.append(_row(ENERGIES, ir.energy, f"{ir.name}.energy", asked))
    return found


class _Used(NamedTuple):
    """A construct of a block's energy; its promises are computed on demand."""

    table: Table[Construct]
    call: CallIR
    place: str
    asked: Iterator[Promise]


def _parts(block: BlockIR, generator: Generator) -> Iterator[_Used]:
    for layer in block.layers:
        asked = _asked_activation(layer.activation, generator)
        yield _Used(ACTIVATIONS, layer.activation, f"{block.name}.{layer.name}", asked)
    joints: list[CouplingIR | DriveIR] = [*block.couplings, *block.drives]
    for joint in joints:
        names = op_names(op.name for op in joint.ops)
        for name, op in zip(names, joint.ops, strict=True):
            place = f"{block.name}.{joint.name}.{name}"
            yield _Used(OPS, op, place, _asked_op(op, generator))


def _row(
    table: Table[Construct], name: str, place: str, promises: Iterator[Promise]
) -> ConstructRow:
    owner = table.owner(name) or ""
    package = "" if owner == OWN else owner
    return ConstructRow(name, table.noun, package, place, tuple(_tried(promises)))


def _tried(promises: Iterator[Promise]) -> Iterator[Promise]:
    """The promises; an exception outside of all comparisons counts as a broken one."""
    try:
        yield from promises
    except Exception as error:
        detail = f"{type(error).__name__}: {error}".splitlines()[0]
        yield Promise("it can be called", math.inf, detail=detail)


def _asked_activation(call: CallIR, generator: Generator) -> Iterator[Promise]:
    yield from activation_promises(ACTIVATIONS[call.name].make(**call.arguments), generator)


def _asked_op(op: OpIR, generator: Generator) -> Iterator[Promise]:
    coupling = OPS[op.name].coupling
    assert coupling is not None, "the front end admits only ops with a coupling"
    held = OpWeights(coupling(op)).double()
    _move(held, generator)
    weights = {name: w.detach() for name, w in held().items()}
    yield from op_promises(held.op, weights, generator)


def _drive_shapes(block: BlockIR) -> list[Shape]:
    shapes = {layer.name: layer.shape for layer in block.layers}
    return [d.ops[0].in_shape if d.ops else shapes[d.layer] for d in block.drives]


def _move(module: nn.Module, generator: Generator) -> None:
    """Make biases nonzero, so that their use is tested; conductances stay positive."""
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.rand(parameter.shape, dtype=torch.float64, generator=generator)
            parameter.add_(0.1 * noise)


def broken_promises(
    rows: list[ConstructRow], source: SourceFile, places: Mapping[str, Span]
) -> list[Diagnostic]:
    """One diagnostic for each construct that breaks a promise, at its first use in the text."""
    return [_diagnostic(row, source, places) for row in rows if row.broken]


def _diagnostic(row: ConstructRow, source: SourceFile, places: Mapping[str, Span]) -> Diagnostic:
    first, *others = row.broken
    installed = row.package not in ("", PROCESS)
    of = f" of the package `{row.package}`" if installed else ""
    return Diagnostic(
        "FFE4007",
        f"the {row.noun} `{row.name}`{of} breaks its promise that {first.text}: {_said(first)}",
        source,
        places.get(row.place, places[""]),
        notes=tuple(f"also broken: {promise.text}: {_said(promise)}" for promise in others),
        help="tell its authors" if installed else "mend the construct",
    )


def _said(promise: Promise) -> str:
    return (
        promise.detail or f"off by {promise.error:.2g}, where rounding explains {promise.limit:g}"
    )
