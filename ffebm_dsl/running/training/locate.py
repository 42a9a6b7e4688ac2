"""Locating the fault of a bad step, by computing it again and checking all of its values in order.

The order is that of computation: data, weights, maps and free phases from the first block to the
last, loss, then backwards nudged phases and gradients, and finally the statistics after the step.
The first bad number is reported.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.physics.interfaces import PhaseSettings, Status
from ffebm_dsl.physics.network import (
    BlockSettings,
    HybridBlock,
    HybridNetwork,
    Outcome,
    PhaseReport,
    label,
)
from ffebm_dsl.running.training.environment import seed_generators
from ffebm_dsl.running.training.measures import Batch
from ffebm_dsl.running.training.trouble import Trouble
from ffebm_dsl.running.training.world import ALONE, World


def locate(
    network: HybridNetwork, batch: Batch, exploded: Trouble | None = None, world: World = ALONE
) -> Trouble | None:
    """The first bad value of a step, which is computed again from its start; None if there is none.

    ``exploded`` describes the growth of the weights, if known. Changes buffers and gradients of the
    network. All processes of the ``world`` search, and get the same result.
    """
    candidates = _candidates(network, batch, exploded)
    own = next(((order, found) for order, found in enumerate(candidates) if found), None)
    found = [entry for entry in world.all_gather(own) if entry is not None]
    return min(found, key=lambda entry: entry[0])[1] if found else None


def damped_settings(network: HybridNetwork, moves: float) -> dict[str, BlockSettings] | None:
    """The settings of every block, with damped sweeps and correspondingly more of them.

    Each sweep moves every state by the fraction ``moves`` of its full move, and there are
    ``1 / moves`` times as many; the tolerance, a change per sweep, is multiplied by it. Fixed
    points and the distance travelled by a relaxation do not change. None if ``moves`` is 1: the
    blocks' own settings.
    """
    if moves == 1:
        return None
    return {name: _damped(s, moves) for name, s in network.settings().items()}


def _damped(settings: BlockSettings, moves: float) -> BlockSettings:
    free, nudged = (_damped_phase(s, moves) for s in (settings.free, settings.nudged))
    estimator = settings.estimator
    if isinstance(estimator, Implicit):
        sweeps = math.ceil(estimator.sweeps / moves)
        estimator = replace(estimator, tolerance=estimator.tolerance * moves, sweeps=sweeps)
    return replace(settings, free=free, nudged=nudged, estimator=estimator)


def _damped_phase(phase: PhaseSettings, moves: float) -> PhaseSettings:
    after = phase.freeze_after
    return replace(
        phase.damped(1 - (1 - phase.solver.plain.damping) * moves),
        sweeps=math.ceil(phase.sweeps / moves),
        tolerance=phase.tolerance * moves,
        freeze_after=after if after < 0 else math.ceil(after / moves),
    )


def _candidates(
    network: HybridNetwork, batch: Batch, exploded: Trouble | None
) -> Iterator[Trouble | None]:
    """The trouble at each place of a step, in order; all processes visit the same places."""
    statistics = {name: buffer.clone() for name, buffer in network.named_buffers()}
    outputs: dict[tuple[str, str], Tensor] = {}
    with _watched(network, outputs):
        seed_generators(batch.seed, batch.y.device)
        network.zero_grad(set_to_none=True)
        settings = network.settings(keep_states=True)
        outcome = network(*batch.inputs, batch.y, settings=settings)
        assert isinstance(outcome, Outcome)
        torch.autograd.backward(outcome.loss)
    for end, x in zip(network.inputs, batch.inputs, strict=True):
        yield _samples("input", x, batch, layer=end)
    yield _samples("target", batch.y, batch)
    yield _tensors("weights", {**dict(network.named_parameters()), **statistics})
    yield exploded
    for name, stage in _stages(network):
        for part in stage.maps.names() if isinstance(stage, HybridBlock) else ("",):
            output = outputs.get((name, part))
            yield None if output is None else _samples("map", output, batch, name, part)
        yield _phases(stage, batch, free=True)
    yield _samples("loss", outcome.per_sample, batch)
    labels = network.labels()
    for name, stage in reversed(list(_stages(network))):
        yield _phases(stage, batch, free=False)
        gradients = {
            parameter: p.grad
            for parameter, p in network.named_parameters()
            if p.grad is not None and labels[parameter].partition(".")[0] == name
        }
        yield _tensors("gradient", gradients)
    yield _tensors("buffers", dict(network.named_buffers()))


def _phases(stage: nn.Module, batch: Batch, *, free: bool) -> Trouble | None:
    """The first diverging sample of a block, in its free phase or in its other phases."""
    reports = stage.core.reports if isinstance(stage, HybridBlock) else []
    for report in reports:
        bad = report.status[: batch.part.count].eq(Status.DIVERGED)
        if (report.phase == "free") is free and bool(bad.any()):
            assert isinstance(stage, HybridBlock)
            names = [layer.name for layer in stage.core.energy.layers]
            return _diverging(report, int(bad.nonzero()[0]), names, batch)
    return None


def _diverging(report: PhaseReport, sample: int, layers: list[str], batch: Batch) -> Trouble:
    """The layer of a sample that is not finite, or else the one with the largest values."""
    assert report.state is not None
    sizes = [float(s[sample].abs().double().square().mean().sqrt()) for s in report.state]
    bad = next((i for i, size in enumerate(sizes) if not math.isfinite(size)), None)
    worst = max(range(len(sizes)), key=sizes.__getitem__) if bad is None else bad
    kind = "diverging" if bad is None else "not finite"
    found = Trouble(kind, report.phase, report.block, layers[worst], value=sizes[worst])
    return _at(found, sample, batch)


def _samples(
    phase: str, x: Tensor, batch: Batch, block: str = "", layer: str = ""
) -> Trouble | None:
    """The first sample of ``x``, (B, ...), that is not finite."""
    flat = x.detach()[: batch.part.count].flatten(1) if x.dim() > 1 else x.detach()[:, None]
    bad = ~flat[: batch.part.count].isfinite()
    if not bool(bad.any()):
        return None
    sample = int(bad.any(1).nonzero()[0])
    value = float(flat[sample][bad[sample]][0])
    return _at(Trouble("not finite", phase, block, layer, value=value), sample, batch)


def _at(found: Trouble, sample: int, batch: Batch) -> Trouble:
    index = int(batch.indices[sample])
    return replace(found, sample=batch.part.first + sample, index=index)


def _tensors(phase: str, tensors: Mapping[str, Tensor]) -> Trouble | None:
    """The first of the named tensors of the network that is not finite."""
    for name, tensor in tensors.items():
        bad = ~tensor.detach().isfinite()
        if bool(bad.any()):
            block, _, part = label(name).partition(".")
            value = float(tensor.detach()[bad][0])
            return Trouble("not finite", phase, block, part, value=value)
    return None


def _stages(network: HybridNetwork) -> Iterator[tuple[str, nn.Module]]:
    """Maps, blocks and readouts by name, in order of computation."""
    yield from zip(network.stages.names(), network.stages, strict=True)
    yield "readout", network.readout
    yield from zip(network.auxiliary.names(), network.auxiliary, strict=True)


@contextmanager
def _watched(network: HybridNetwork, outputs: dict[tuple[str, str], Tensor]) -> Iterator[None]:
    """Record the output (B, ...) of every map, by stage and by the map's name in it."""

    def note(place: tuple[str, str]) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            outputs.setdefault(place, output.detach())

        return hook

    with ExitStack() as stack:
        for name, stage in _stages(network):
            if isinstance(stage, HybridBlock):
                for part in stage.maps.names():
                    handle = stage.maps[part].register_forward_hook(note((name, part)))
                    stack.callback(handle.remove)
            else:
                stack.callback(stage.register_forward_hook(note((name, ""))).remove)
        yield
