"""A feedforward-tied energy-based model: digital maps and energy blocks, end to end.

The network is a chain of modules connected by named ports. ``loss.backward()``
backpropagates through the maps and, through each block's backward pass,
eq-propagates through the blocks (Nest & Ernoult, arXiv 2409.03306, Algorithm 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.energy import project, project_after
from ffebm_dsl.physics.layout import channels_last
from ffebm_dsl.physics.modules import Chain, NamedModules
from ffebm_dsl.physics.network.block import BlockSettings, EnergyBlock
from ffebm_dsl.physics.network.phase_report import PhaseReport
from ffebm_dsl.physics.network.refusal import refuse
from ffebm_dsl.physics.network.requirements import require_inputs

Inputs = tuple[Tensor, ...]
"""A batch of each input of a network, in their order: (B, *shape) each."""

Probe = Callable[[str, Tensor], Tensor]
"""Sees, and may replace, what enters each block: ``probe("b2.input(b1.out)", tensor)``."""


class Outcome(NamedTuple):
    """The result of a forward pass with targets.

    Attributes:
        loss: mean over the batch, 0-dim.
        per_sample: loss of each sample, (B,), without a graph.
        logits: the output of the readout, (B, K).
        terms: unweighted means of the terms of the loss, (terms,), without a graph.
    """

    loss: Tensor
    per_sample: Tensor
    logits: Tensor
    terms: Tensor


@dataclass(frozen=True)
class LossTerm:
    """A term of the loss: ``weight * per_sample(prediction, target)``, (B,).

    The prediction is that of the auxiliary readout ``readout``; ``""`` means the logits.
    ``curvature`` is the c for which the Hessian by the prediction is c times the identity, or 0.
    """

    per_sample: Callable[[Tensor, Tensor], Tensor]
    weight: float = 1.0
    readout: str = ""
    curvature: float = 0.0


@dataclass(frozen=True)
class Auxiliary:
    """Readouts other than the one that gives the logits, and the ports that each reads."""

    modules: NamedModules[nn.Module]
    ports: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Wiring:
    """The ports that a block's maps and drives read, and those that it writes.

    Attributes:
        maps: for each feedforward map of the block, the ports that it reads, in order.
        drives: the port behind each drive, in the energy's order.
        outputs: the port of each output, in the energy block's order.
    """

    maps: Mapping[str, Sequence[str]]
    drives: Sequence[str]
    outputs: Sequence[str]


class HybridBlock(nn.Module):
    """The feedforward maps of a block and the energy block that they drive."""

    def __init__(
        self, name: str, maps: NamedModules[Chain], energy: EnergyBlock, wiring: Wiring
    ) -> None:
        super().__init__()
        self.name, self.maps, self.core, self.wiring = name, maps, energy, wiring

    def drives(self, ports: Mapping[str, Tensor], probe: Probe | None = None) -> list[Tensor]:
        """The drives of the block: its maps, run once on the block's inputs."""
        local: dict[str, Tensor] = {}

        def read(port: str) -> Tensor:
            if port in local:
                return local[port]
            local[port] = ports[port] if probe is None else self._probed(probe, port, ports[port])
            return local[port]

        for name, module in zip(self.maps.names(), self.maps, strict=True):
            local[f"{self.name}.{name}"] = module(*map(read, self.wiring.maps[name]))
        return [read(port) for port in self.wiring.drives]

    def input_ports(self) -> list[str]:
        """The ports outside the block that it reads, in order, without repetition."""
        own = {f"{self.name}.{name}" for name in self.maps.names()}
        sources = [*chain.from_iterable(self.wiring.maps.values()), *self.wiring.drives]
        return [port for port in dict.fromkeys(sources) if port not in own]

    def _probed(self, probe: Probe, port: str, tensor: Tensor) -> Tensor:
        # A view, so that each block's share of a port read by several is seen alone.
        return probe(f"{self.name}.input({port})", tensor.view_as(tensor))


@dataclass(frozen=True)
class MapWiring:
    """The ports that a model-level map reads, and the one that it writes."""

    sources: Sequence[str]
    port: str


class HybridNetwork(nn.Module):
    """The whole network of a spec.

    ``network(x)`` gives the logits (B, K) of a batch (B, *input shape);
    ``network(x, y)`` an :class:`Outcome`. Several inputs are given in the order of ``inputs``:
    ``network(a, b)``, ``network(a, b, y)``. A custom loss on the logits should be a mean
    over the batch; a factor on it changes the nudges and hardly the gradient's direction
    (:mod:`~ffebm_dsl.physics.network.proportion`).

    Args:
        stages: model-level maps and blocks by name, in order of computation.
        wiring: the ports of each model-level map, by name.
        readout: maps the ports that it reads to the logits.
        losses: the terms of the loss, which is their weighted sum.
        inputs: the shape of one sample of each input, by the name of its port.
        prediction: the ports that the readout reads; with a ``loss_block`` its output alone.
        loss_block: name of the block that is nudged by the loss itself; empty for none.
        auxiliary: readouts that only the loss reads; none with a ``loss_block``.

    Raises:
        ValueError: auxiliary readouts with a ``loss_block``.
    """

    def __init__(
        self,
        stages: NamedModules[nn.Module],
        wiring: Mapping[str, MapWiring],
        readout: nn.Module,
        losses: Sequence[LossTerm],
        inputs: Mapping[str, Sequence[int]],
        prediction: Sequence[str],
        loss_block: str = "",
        auxiliary: Auxiliary | None = None,
    ) -> None:
        super().__init__()
        auxiliary = auxiliary or Auxiliary(NamedModules({}), {})
        if loss_block and len(auxiliary.modules):
            raise ValueError(f"block {loss_block} cannot follow the losses of several readouts")
        self.stages, self.readout, self.auxiliary = stages, readout, auxiliary.modules
        self._wiring, self._losses = dict(wiring), tuple(losses)
        self._auxiliary_ports = dict(auxiliary.ports)
        self._inputs, self._prediction = dict(inputs), tuple(prediction)
        self._loss_block = loss_block
        # Behind ops of the readout the loss has another second derivative, and mixed ones.
        plain = isinstance(readout, Chain) and not len(readout)
        self._curvature = sum(t.weight * t.curvature for t in losses) if plain else 0.0

    def forward(
        self,
        *tensors: Tensor,
        target: Tensor | None = None,
        probe: Probe | None = None,
        settings: Mapping[str, BlockSettings] | None = None,
    ) -> Tensor | Outcome:
        """Logits of the inputs, or with a target (labels (B,) or vectors (B, K)) the outcome.

        Args:
            tensors: the inputs in their order, each (B, *shape), and behind them the target.
            target: it may be given by name as well.
            probe: sees what enters each block.
            settings: replace those of the blocks they name, for this call.

        Raises:
            ValueError: an input or the target has a shape or type that does not fit.
        """
        if len(tensors) == len(self._inputs) + 1 and target is None:
            tensors, target = tensors[:-1], tensors[-1]
        require_inputs(tensors, self._inputs)
        chosen = settings or {}
        # Laid out as blocks lay out their states, so that maps and blocks need not convert.
        ports = dict(zip(self._inputs, map(channels_last, tensors), strict=True))
        for name, stage in zip(self.stages.names(), self.stages, strict=True):
            if not isinstance(stage, HybridBlock):
                wiring = self._wiring[name]
                ports[wiring.port] = stage(*(ports[port] for port in wiring.sources))
                continue
            drives = stage.drives(ports, probe)
            own = chosen.get(name)
            if name == self._loss_block and target is not None:
                return self._nudged_by_loss(stage.core, drives, target, own)
            states = stage.core(*drives, settings=own)
            if name == self._loss_block:
                states = refuse(_NEEDS_TARGET.format(name), states, [states])
            outputs = states if isinstance(states, tuple) else (states,)
            ports.update(zip(stage.wiring.outputs, outputs, strict=True))
        logits = self.readout(*(ports[port] for port in self._prediction))
        if target is None:
            return logits
        read = {"": logits}
        for name, readout in zip(self.auxiliary.names(), self.auxiliary, strict=True):
            read[name] = readout(*(ports[port] for port in self._auxiliary_ports[name]))
        terms = [term.per_sample(read[term.readout], target) for term in self._losses]
        return self._outcome(self._weighted(terms), terms, logits)

    def _weighted(self, terms: Sequence[Tensor]) -> Tensor:
        """The weighted sum of ``terms``, (B,) each."""
        pairs = zip(self._losses, terms, strict=True)
        first, *others = (values * term.weight for term, values in pairs)
        return sum(others, start=first)

    def _outcome(self, loss: Tensor, terms: Sequence[Tensor], logits: Tensor) -> Outcome:
        means = torch.stack([term.detach().mean() for term in terms])
        return Outcome(loss.mean(), loss.detach(), logits, means)

    def _nudged_by_loss(
        self,
        core: EnergyBlock,
        drives: list[Tensor],
        target: Tensor,
        settings: BlockSettings | None,
    ) -> Outcome:
        def loss(state: Tensor, copies: int) -> Tensor:
            logits, targets = self.readout(state), torch.cat([target] * copies)
            return self._weighted([term.per_sample(logits, targets) for term in self._losses])

        per_sample, state = core.loss(
            *drives,
            loss=loss,
            readout=self.readout,
            curvature=self._curvature,
            settings=settings,
        )
        with torch.no_grad():
            logits = self.readout(state)
            terms = [term.per_sample(logits, target) for term in self._losses]
        # Nothing nudges by a further term on the logits: it must not be dropped silently.
        tied = refuse(_ONE_LOSS.format(core.name), logits, [per_sample])
        return self._outcome(per_sample, terms, tied)

    @property
    def inputs(self) -> dict[str, Sequence[int]]:
        """The shape of one sample of each input, by name, in the order of the arguments."""
        return self._inputs

    @property
    def blocks(self) -> tuple[HybridBlock, ...]:
        """The energy blocks with their maps, in order of computation."""
        return tuple(stage for stage in self.stages if isinstance(stage, HybridBlock))

    def readouts(self) -> tuple[nn.Module, ...]:
        """The readout that gives the logits, and the auxiliary readouts."""
        return (self.readout, *self.auxiliary)

    def phases(self) -> list[PhaseReport]:
        """Reports of the relaxations since the last forward pass, block by block."""
        return [report for block in self.blocks for report in block.core.reports]

    def settings(self, **changes: Any) -> dict[str, BlockSettings]:
        """The settings of every block by name, with some fields changed, for :meth:`forward`."""
        return {b.name: replace(b.core.settings, **changes) for b in self.blocks}

    def project(self) -> None:
        """Project constrained weights, such as conductances, back into their range."""
        project(self)

    def project_after(self, optimizer: torch.optim.Optimizer) -> None:
        """Project the weights that are constrained now after every step of ``optimizer``."""
        project_after(optimizer, self)

    def labels(self) -> dict[str, str]:
        """Names of parameters in reports: ``b1.u.conv2d.weight``, ``b1.s1_s2.conv2d.weight``."""
        return {name: label(name) for name, _ in self.named_parameters()}


def label(parameter: str) -> str:
    """The name of a parameter without containers that a spec does not name."""
    parts = parameter.removeprefix("auxiliary.").split(".")
    if parts[0] == "stages":
        parts = parts[1:]
        if parts[1] == "maps":
            parts = [parts[0], *parts[2:]]
        elif parts[1:4] == ["core", "energy", "terms"]:
            parts = [parts[0], *parts[4:]]
        elif parts[1:3] == ["core", "energy"] and parts[3] in ("couplings", "drives"):
            parts = [parts[0], parts[4], *parts[6:]]
    return ".".join(parts)


_NEEDS_TARGET = (
    "block {} is nudged by the loss itself (nudge=loss), which needs the target: compute the "
    "loss by network(x, target), not from network(x)"
)

_ONE_LOSS = (
    "block {} is nudged by the loss itself (nudge=loss), and a further term on the logits would "
    "not reach it: use nudge=cotangent, or make the term part of the loss"
)
