"""The convolution floor: the cost of an EP step if it consisted of convolutions alone.

For a network and a batch it is the total time of the following, on tensors with the shapes, dtype,
layout and threads of the step:

- one forward and one adjoint of every weighted op (convolution, dense layer) of every coupling for
  every sweep of the free phase (B samples) and of the nudged phases (as many copies of B as there
  are signs of beta, in one batch); with a tolerance, the mean number of sweeps of the samples;
- the gradients of each weighted op's parameters for all of these phases, in one call;
- one forward and one backward pass of every digital map and of the readout (complete, with norms
  and poolings, as they are not the subject of the measurement).

It does not include poolings between layers, sums, activations, convergence tests and other
overhead. The calls come in the order of a step, sweep after sweep, so that weights which do not fit
into the processor's cache together are read from memory anew, as in a relaxation. The convolutions
use the fastest available form (``ffebm_dsl.physics.energy.kernels``); with ``plain=True`` they are
those of ``torch.nn.functional`` on contiguous tensors, as in a straightforward implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.physics.energy import Coupling, HopfieldEnergy
from ffebm_dsl.physics.interfaces import BoundOp, ContrastiveEstimator, Estimator, LinearOp, Weights
from ffebm_dsl.physics.layout import channels_last
from ffebm_dsl.physics.network import BlockSettings, EnergyBlock, HybridBlock, HybridNetwork, Inputs

Call = Callable[[], object]


@dataclass(frozen=True)
class Floor:
    """The calls of one step: ``digital`` once, then each group of ``phases`` count times."""

    phases: tuple[tuple[int, tuple[Call, ...]], ...]
    digital: Call

    def __call__(self) -> None:
        self.digital()
        with torch.no_grad():
            for count, calls in self.phases:
                for _ in range(count):
                    for call in calls:
                        call()


def floor(
    network: HybridNetwork,
    inputs: Inputs,
    settings: Mapping[str, BlockSettings] | None = None,
    *,
    plain: bool = False,
) -> Floor:
    """The floor of the last EP step of ``network``, on a batch of its inputs.

    ``settings`` are those of the step, if they were not the blocks' own.

    Raises:
        InputError: a block whose energy has no coupling modules.
        ValueError: a block whose estimator has no nudged phases, or that has made no step.
    """
    made = settings or network.settings()
    phases = [
        phase
        for block in network.blocks
        for phase in _block(block.core, made[block.name].estimator, inputs[0], plain)
    ]
    return Floor(tuple(phases), _digital(network, inputs))


def _block(
    core: EnergyBlock, estimator: Estimator, x: Tensor, plain: bool
) -> Iterator[tuple[int, tuple[Call, ...]]]:
    """The calls of a sweep of each phase and their count, then those of the weight gradients."""
    batch, ops = len(x), _weighted(core)
    if not isinstance(estimator, ContrastiveEstimator):
        raise ValueError(f"the floor is that of ep, not of {type(estimator).__name__}")
    # A complex phase costs two real ones; if one of the contrasted phases is complex, all are.
    copies = sum(1 + isinstance(beta, complex) for beta in estimator.nudges)
    contrasted = len(estimator.phases) * (1 + estimator.is_complex)
    for phase, size in (("free", batch), ("nudged", copies * batch)):
        pairs = [_pair(op, weights, size, x, plain) for op, weights in ops]
        yield _sweeps(core, phase), tuple(call for pair in pairs for call in pair)
    gradients = [_gradients(op, weights, contrasted * batch, x, plain) for op, weights in ops]
    yield 1, tuple(gradients)


def _weighted(core: EnergyBlock) -> list[tuple[LinearOp, Weights]]:
    """The ops of a block's couplings that have weights."""
    couplings = [part for part in core.energy.modules() if isinstance(part, Coupling)]
    if not couplings and not isinstance(core.energy, HopfieldEnergy):
        raise InputError(
            f"block `{core.name}` has no floor: its energy has no couplings",
            help="`ffebm bench` compares with the products of couplings; time a run of "
            "`ffebm train --max-steps` instead",
        )
    held = [ops for coupling in couplings for ops in coupling.ops]
    return [
        (part.op, weights)
        for part in held
        if isinstance(part.op, LinearOp)
        and (weights := {name: w.detach() for name, w in part().items()})
    ]


def _sweeps(core: EnergyBlock, phase: str) -> int:
    """The number of sweeps of a phase in the block's last step, the mean over samples."""
    used = [report.sweeps.double() for report in core.reports if report.phase == phase]
    if not used:
        raise ValueError(f"block {core.name} has made no {phase} phase yet")
    return round(float(torch.cat(used).mean()))


def _pair(
    op: LinearOp, weights: Weights, batch: int, like: Tensor, plain: bool
) -> tuple[Call, Call]:
    """A forward and an adjoint of ``op`` on ``batch`` samples."""
    x, y = _ends(op, batch, like, plain)
    bound = BoundOp(op, weights) if plain else op.packed(weights, batch)
    return lambda: bound(x), lambda: bound.adjoint(y)


def _gradients(op: LinearOp, weights: Weights, batch: int, like: Tensor, plain: bool) -> Call:
    x, y = _ends(op, batch, like, plain)
    return lambda: op.weight_gradient(x, y, weights)


def _ends(op: LinearOp, batch: int, like: Tensor, plain: bool) -> tuple[Tensor, Tensor]:
    """Tensors of ``batch`` samples before and after ``op``, in the range of states."""
    x, y = (
        torch.rand(batch, *shape, dtype=like.dtype, device=like.device)
        for shape in (op.in_shape, op.out_shape)
    )
    return (x, y) if plain else (channels_last(x), channels_last(y))


def _digital(network: HybridNetwork, inputs: Inputs) -> Call:
    """Forward and backward of each map and readout, on its inputs in a forward pass."""
    made: list[tuple[nn.Module, list[Tensor]]] = []

    def record(module: nn.Module, arguments: tuple[Tensor, ...], _: Tensor) -> None:
        made.append((module, [argument.detach() for argument in arguments]))

    stages = [s.maps if isinstance(s, HybridBlock) else [s] for s in network.stages]
    maps = [module for modules in stages for module in modules]
    hooks = [m.register_forward_hook(record) for m in [*maps, *network.readouts()]]
    with torch.no_grad():
        network(*inputs)
    for hook in hooks:
        hook.remove()

    given = {x.data_ptr() for x in inputs}

    def run() -> None:
        for module, tensors in made:
            # All inputs require gradients except those of the network.
            leaves = [t.detach().requires_grad_(t.data_ptr() not in given) for t in tensors]
            out = module(*leaves)
            wanted: list[Tensor] = [p for p in module.parameters() if p.requires_grad]
            wanted += [leaf for leaf in leaves if leaf.requires_grad]
            if wanted and out.requires_grad:
                torch.autograd.grad(out.sum(), wanted)

    return run
