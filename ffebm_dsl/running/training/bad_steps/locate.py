"""Where a bad step went wrong: it is computed again, slowly, and looked at in order.

The order is that of cause and effect: data, weights, maps and free phases from the first
block to the last, loss, then backwards cotangents, nudged phases and gradients. The first
number that is wrong is what is named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.network import HybridBlock, HybridNetwork, Outcome, PhaseReport, label
from ffebm_dsl.physics.relaxation import CYCLE_SIZE, Status
from ffebm_dsl.running.training.bad_steps.retune import retuned, shortened
from ffebm_dsl.running.training.bad_steps.trouble import Batch, Trouble
from ffebm_dsl.running.training.world import ALONE, World

Seen = dict[tuple[str, str], Tensor]
"""What came out of each map, and the cotangents of each block's outputs, (B, n)."""

COTANGENT = "<cotangent>"
"""No map is called so."""


def cycles(report: PhaseReport) -> Tensor:
    """Which samples of a phase cycle, by more than rounding, (B,)."""
    return report.status.eq(Status.CYCLING) & report.residual.gt(CYCLE_SIZE)


def locate(
    network: HybridNetwork, batch: Batch, cycling: float, world: World = ALONE
) -> Trouble | None:
    """The first thing wrong with a step, computed again from where it began; None: nothing is.

    Changes buffers and gradients of the network. ``cycling`` is the part of a phase's samples
    that may cycle. All processes of the ``world`` search, and come to the same result.
    """
    return _Search(network, batch, cycling, world).first()


def first_found(found: Trouble | None, world: World) -> tuple[Trouble | None, int]:
    """What the first process of the ``world`` has found that has found anything, and its rank."""
    texts = world.texts(json.dumps(asdict(found)) if found is not None else "")
    for rank, text in enumerate(texts):
        if text:
            return Trouble(**json.loads(text)), rank
    return None, -1


class _Cycle(NamedTuple):
    """A sample that cycles: which of the block's reports tells it, and its state, by layer."""

    number: int
    sample: int
    state: list[Tensor]


class _Search:
    def __init__(self, network: HybridNetwork, batch: Batch, cycling: float, world: World) -> None:
        self._network, self._batch, self._cycling = network, batch, cycling
        self._world, self._mine = world, False
        self._cycle: _Cycle | None = None

    def first(self) -> Trouble | None:
        found = self._samples("input", self._batch.x)
        if found is None and self._batch.y.is_floating_point():
            found = self._samples("target", self._batch.y)
        named = {**dict(self._network.named_parameters()), **dict(self._network.named_buffers())}
        return (
            self._agreed(found) or self._agreed(self._tensors("weights", named)) or self._computed()
        )

    def _agreed(self, found: Trouble | None) -> Trouble | None:
        """What the first process has found that has found anything; the same in all of them."""
        agreed, rank = first_found(found, self._world)
        self._mine = rank == self._world.rank
        return agreed

    def _computed(self) -> Trouble | None:
        seen: Seen = {}
        with ExitStack() as stack:
            stack.enter_context(_states_kept(self._network))
            stack.enter_context(_watched(self._network, seen))
            outcome = self._forward()
            found = self._agreed(self._forwards(seen) or self._samples("loss", outcome.per_sample))
            if found is None:
                self._network.zero_grad(set_to_none=True)
                torch.autograd.backward(outcome.loss)
                found = self._agreed(self._backwards(seen))
            if found is not None and found.kind == "cycling":
                found = self._with_layer(found)
            return found

    def _forward(self) -> Outcome:
        torch.manual_seed(self._batch.seed)
        outcome = self._network(self._batch.x, self._batch.y)
        assert isinstance(outcome, Outcome)
        return outcome

    def _forwards(self, seen: Seen) -> Trouble | None:
        """Maps and free phases, from the input to the loss."""
        for name, stage in _stages(self._network):
            inside = stage.maps.names() if isinstance(stage, HybridBlock) else ("",)
            for part in inside:
                if (name, part) in seen:
                    found = self._samples("map", seen[name, part], name, part)
                    if found is not None:
                        return found
            if isinstance(stage, HybridBlock):
                found = self._phases(stage, lambda phase: phase == "free")
                if found is not None:
                    return found
        return None

    def _backwards(self, seen: Seen) -> Trouble | None:
        """Cotangents, nudged phases and gradients, from the loss to the input."""
        for name, stage in reversed(list(_stages(self._network))):
            found = None
            if isinstance(stage, HybridBlock):
                if (name, COTANGENT) in seen:
                    found = self._samples("cotangent", seen[name, COTANGENT], name)
                found = found or self._phases(stage, lambda phase: phase != "free")
            found = found or self._gradients(name)
            if found is not None:
                return found
        return None

    def _gradients(self, stage: str) -> Trouble | None:
        labels = self._network.labels()
        return self._tensors(
            "gradient",
            {
                name: p.grad
                for name, p in self._network.named_parameters()
                if p.grad is not None and labels[name].partition(".")[0] == stage
            },
        )

    def _phases(self, stage: HybridBlock, wanted: Callable[[str], bool]) -> Trouble | None:
        for number, report in enumerate(stage.core.reports):
            if wanted(report.phase):
                found = self._phase(stage, number, report)
                if found is not None:
                    return found
        return None

    def _phase(self, stage: HybridBlock, number: int, report: PhaseReport) -> Trouble | None:
        count = self._batch.part.count
        bad, kind = report.status[:count].eq(Status.DIVERGED), "diverging"
        if not bool(bad.any()):
            bad, kind = cycles(report)[:count], "cycling"
            if not float(bad.double().mean()) > self._cycling:
                return None
        sample = int(bad.nonzero()[0])
        assert report.state is not None
        layers = [float(s[sample].double().square().mean().sqrt()) for s in report.state]
        worst = next((i for i, size in enumerate(layers) if not size < float("inf")), None)
        value = float(report.residual[sample])
        if worst is not None:
            kind, value = "not finite", layers[worst]
        elif kind == "diverging":
            worst = max(range(len(layers)), key=layers.__getitem__)
            value = layers[worst]
        else:
            self._cycle = _Cycle(number, sample, [s[sample].clone() for s in report.state])
        layer = "" if worst is None else stage.core.energy.layers[worst].name
        return self._trouble(kind, report.phase, sample, stage.name, layer, value)

    def _with_layer(self, found: Trouble) -> Trouble | None:
        """A cycle with the layer that the last sweep changed most, for its size.

        Every process computes the step again, with that phase one sweep shorter.
        """
        (core,) = [b.core for b in self._network.blocks if b.name == found.block]
        mine, layer = self._mine, ""
        with retuned([core], shortened(found.phase)):
            outcome = self._forward()
            if found.phase != "free":
                torch.autograd.backward(outcome.loss)
        if mine:
            assert self._cycle is not None
            number, sample, state = self._cycle
            before = core.reports[number].state
            assert before is not None
            moves = [
                float((s - old[sample]).norm() / s.norm().clamp_min(torch.finfo(s.dtype).tiny))
                for s, old in zip(state, before, strict=True)
            ]
            layer = core.energy.layers[max(range(len(moves)), key=moves.__getitem__)].name
        return self._agreed(replace(found, layer=layer) if mine else None)

    def _samples(self, phase: str, x: Tensor, block: str = "", layer: str = "") -> Trouble | None:
        """The first sample of ``x``, (B, ...), that is not finite."""
        x = x.detach()[: self._batch.part.count]
        flat = x.flatten(1) if x.dim() > 1 else x[:, None]
        bad = ~flat.isfinite()
        if not bool(bad.any()):
            return None
        sample = int(bad.any(1).nonzero()[0])
        value = float(flat[sample][bad[sample]][0])
        return self._trouble("not finite", phase, sample, block, layer, value)

    def _tensors(self, phase: str, tensors: Mapping[str, Tensor]) -> Trouble | None:
        """The first tensor of the network, by its name, that is not finite."""
        for name, tensor in tensors.items():
            values = tensor.detach()
            bad = ~values.isfinite()
            if bool(bad.any()):
                block, _, part = label(name).partition(".")
                return Trouble("not finite", phase, block, part, value=float(values[bad][0]))
        return None

    def _trouble(
        self, kind: str, phase: str, sample: int, block: str, layer: str, value: float
    ) -> Trouble:
        index, first = int(self._batch.indices[sample]), self._batch.part.first
        return Trouble(kind, phase, block, layer, first + sample, index, value)


def _stages(network: HybridNetwork) -> Iterator[tuple[str, nn.Module]]:
    """Maps, blocks and the readout by name, in order of computation."""
    yield from zip(network.stages.names(), network.stages, strict=True)
    yield "readout", network.readout


@contextmanager
def _states_kept(network: HybridNetwork) -> Iterator[None]:
    cores = [block.core for block in network.blocks]
    before = [core.keep_states for core in cores]
    try:
        for core in cores:
            core.keep_states = True
        yield
    finally:
        for core, kept in zip(cores, before, strict=True):
            core.keep_states = kept


@contextmanager
def _watched(network: HybridNetwork, seen: Seen) -> Iterator[None]:
    """Note what comes out of every map, and the cotangents that come into every block."""
    with ExitStack() as stack:
        for name, stage in _stages(network):
            if isinstance(stage, HybridBlock):
                for part in stage.maps.names():
                    hook = stage.maps[part].register_forward_hook(_note(seen, (name, part)))
                    stack.callback(hook.remove)
                back = stage.core.register_full_backward_hook(_note(seen, (name, COTANGENT)))
                stack.callback(back.remove)
            else:
                stack.callback(stage.register_forward_hook(_note(seen, (name, ""))).remove)
        yield


def _note(seen: Seen, place: tuple[str, str]) -> Callable[[nn.Module, Any, Any], None]:
    """A hook that keeps the first of a module's outputs, or of their gradients."""

    def hook(module: nn.Module, _: Any, result: Any) -> None:
        results = result if isinstance(result, tuple) else (result,)
        flat = [tensor.detach().flatten(1) for tensor in results if tensor is not None]
        if flat:
            seen.setdefault(place, torch.cat(flat, 1))

    return hook
