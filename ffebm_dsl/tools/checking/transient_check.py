"""The static gradient analysis: EP against autodiff, sweep by sweep, for every parameter.

Of every block the EP gradient after t nudged sweeps is compared with the unrolled one,
truncated to the last t sweeps. Each block is truncated alone: the cotangent that reaches it
is that of all sweeps of the blocks behind it, by EP on one side and by autodiff on the other. The
two sides are two backward passes through one forward pass, and the blocks' differences add up
from the last block to the first as in training. Noise is disabled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ffebm_dsl.constructs.gradients.aep import AsymmetricPropagation
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.physics.gradients import ep_transients, unrolled_transients
from ffebm_dsl.physics.interfaces import (
    ContrastiveEstimator,
    Cost,
    Equilibrium,
    Estimator,
    GradientEstimate,
    Relaxation,
    Status,
)
from ffebm_dsl.physics.network import EnergyBlock, HybridBlock, HybridNetwork, Inputs
from ffebm_dsl.tools.checking.problem import Captured, Spy
from ffebm_dsl.tools.checking.transient_table import BlockFacts, Series, Transients

BETA = 0.02
"""Nudging strength where neither the settings nor the block's own estimator gives one."""

Progress = Callable[[int, int, str], None]
"""Told of every sweep: how many are done, of how many, and in which block."""


@dataclass(frozen=True)
class TransientSettings:
    """Settings of an analysis.

    Attributes:
        sweeps: nudged sweeps for every block; None: the sweeps of its own nudged phase.
        beta: nudging strength for every block; None: its own where it trains by EP.
        entries: how many entries of each parameter are followed.
        seed: seed of the choice of entries.
    """

    sweeps: int | None = None
    beta: float | None = None
    entries: int = 5
    seed: int = 0


def transients(
    network: HybridNetwork,
    inputs: Inputs,
    target: Tensor,
    settings: TransientSettings,
    progress: Progress | None = None,
) -> Transients:
    """Analyse one batch: inputs (B, *shape), labels (B,) or vectors (B, K).

    The mean loss over the batch is differentiated. Batch-norm statistics of ``network`` move.
    """
    return _Analysis(network, inputs, target, settings, progress or (lambda *_: None)).result()


class _Analysis:
    """One forward pass, a backward pass by EP, and one by autodiff that looks at both."""

    def __init__(
        self,
        network: HybridNetwork,
        inputs: Inputs,
        target: Tensor,
        settings: TransientSettings,
        progress: Progress,
    ) -> None:
        self.settings = settings
        self.blocks = {block.name: block for block in network.blocks}
        self.cores = {name: block.core for name, block in self.blocks.items()}
        self.ep = {name: self._estimator(core) for name, core in self.cores.items()}
        self.sweeps = {name: self._sweeps(core) for name, core in self.cores.items()}
        labels = network.labels()
        self.labels = {p: labels[n] for n, p in network.named_parameters() if p.requires_grad}
        self._entering: dict[str, Tensor] = {}
        self.spies = {n: Spy(_AllSweeps(ep, self.sweeps[n])) for n, ep in self.ep.items()}
        settings_of = {
            name: replace(core.settings.quiet(), estimator=self.spies[name])
            for name, core in self.cores.items()
        }
        given = [x.clone().requires_grad_() for x in inputs]
        outcome = network(*given, target, probe=self._keep, settings=settings_of)
        self.loss = outcome.loss
        self.free = {report.block: report for report in network.phases()}
        self.progress, self._done = progress, 0

    def result(self) -> Transients:
        captured, gradients = self._by_ep()
        series = Series(
            self._followed(captured),
            gradients,
            max(self.sweeps.values()),
            count=self.settings.entries,
            seed=self.settings.seed,
        )
        gradients.clear()
        watches = {name: self._watch(name, captured[name], series) for name in captured}
        for name, watch in watches.items():
            self.spies[name].estimator = watch
        torch.autograd.grad(self.loss, list(self.labels), allow_unused=True)
        facts = [self._facts(name, watch) for name, watch in watches.items()]
        return series.transients(facts)

    def _estimator(self, core: EnergyBlock) -> ContrastiveEstimator:
        own = core.settings.estimator
        plain = own.plain if isinstance(own, AsymmetricPropagation) else own
        if not isinstance(plain, EquilibriumPropagation):
            plain = EquilibriumPropagation(BETA)
        plain = replace(plain, beta=self.settings.beta or plain.beta)
        without_ep = not isinstance(own, ContrastiveEstimator)
        if isinstance(own, AsymmetricPropagation) or (
            without_ep and core.energy.layer_weights is None
        ):
            return AsymmetricPropagation(plain)
        return plain

    def _sweeps(self, core: EnergyBlock) -> int:
        return core.settings.nudged.sweeps if self.settings.sweeps is None else self.settings.sweeps

    def _keep(self, name: str, tensor: Tensor) -> Tensor:
        self._entering[name] = tensor.detach()
        return tensor

    def _by_ep(self) -> tuple[dict[str, Captured], dict[str, Tensor]]:
        """What EP is given in every block, and the gradients it comes to, by label."""
        found = torch.autograd.grad(
            self.loss, list(self.labels), retain_graph=True, allow_unused=True
        )
        gradients = {
            label: torch.zeros_like(p) if g is None else g
            for (p, label), g in zip(self.labels.items(), found, strict=True)
        }
        return {n: spy.seen for n, spy in self.spies.items() if spy.seen is not None}, gradients

    def _followed(self, captured: Mapping[str, Captured]) -> dict[str, list[str]]:
        """The labels of the parameters whose gradients each block's sweeps decide, in order."""
        return {
            name: [
                *(self.labels[p] for p in _map_parameters(self.blocks[name])),
                *self._of_energy(name),
                *(self.labels[p] for p in seen.cost.parameters()),
            ]
            for name, seen in captured.items()
        }

    def _of_energy(self, name: str) -> list[str]:
        """The labels of the weights of a block's energy, whatever names it has for them."""
        core = self.cores[name]
        weights = core.energy.weights()
        owners = dict.fromkeys(_owners(core).values())
        return [self.labels.get(weights[key], f"{name}.{key}") for key in owners]  # type: ignore[call-overload]

    def _watch(self, name: str, captured: Captured, series: Series) -> _Watch:
        maps = _MapGradient(self.blocks[name], self._entering)

        def observe(t: int, ep: GradientEstimate, unrolled: GradientEstimate) -> None:
            series.put(t, name, maps.complete(ep), maps.complete(unrolled))
            self.progress(self._done, sum(self.sweeps.values()), name)
            self._done += t < self.sweeps[name]

        return _Watch(self.ep[name], captured, self.sweeps[name], observe)

    def _facts(self, name: str, watch: _Watch) -> BlockFacts:
        free, nudged = (s.solver.plain for s in self._phases(name))
        return BlockFacts(
            name=name,
            beta=self.ep[name].reach,
            sweeps=self.sweeps[name],
            free_residual=float(self.free[name].residual.max()),
            diverged=int((self.free[name].status == Status.DIVERGED).sum()),
            crossings=watch.crossings,
            mirrored=(nudged.schedule == free.schedule[::-1] and nudged.damping == free.damping),
        )

    def _phases(self, name: str) -> tuple[Relaxation, Relaxation]:
        settings = self.cores[name].settings
        return settings.free, settings.nudged


@dataclass(frozen=True)
class _AllSweeps(Estimator):
    """EP after exactly ``sweeps`` nudged sweeps, whatever tolerance the block has."""

    ep: ContrastiveEstimator
    sweeps: int

    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        nudged = replace(equilibrium.nudged, sweeps=self.sweeps, tolerance=0.0)
        return self.ep.estimate(replace(equilibrium, nudged=nudged), cost, weights)


class _Watch(Estimator):
    """Autodiff through all sweeps; on the way EP's captured problem is run beside it.

    ``observe`` is told of both estimates after t = 0, 1, ... sweeps. ``crossings`` counts
    the states that the two nudged phases end on different sides of a kink.
    """

    def __init__(
        self,
        ep: ContrastiveEstimator,
        captured: Captured,
        sweeps: int,
        observe: Callable[[int, GradientEstimate, GradientEstimate], None],
    ) -> None:
        self._ep, self._captured, self._sweeps, self._observe = ep, captured, sweeps, observe
        self.crossings = 0

    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        seen = self._captured
        nudged = ep_transients(self._ep, seen.equilibrium, seen.cost, seen.weights, self._sweeps)
        unrolled = unrolled_transients(equilibrium, cost, weights, self._sweeps)
        for t, (ep, reference) in enumerate(zip(nudged, unrolled, strict=True)):
            self._observe(t, ep.estimate, reference)
        self.crossings = _crossings(seen.equilibrium, ep.states)
        return reference


class _MapGradient:
    """Takes a block's gradients on through its feedforward maps, whose graph it keeps."""

    def __init__(self, block: HybridBlock, entering: Mapping[str, Tensor]) -> None:
        ports = {
            port: entering[f"{block.name}.input({port})"].clone() for port in block.input_ports()
        }
        self._parameters, self._owners = _map_parameters(block), _owners(block.core)
        with torch.enable_grad():
            self._drives = block.drives(ports)

    def complete(self, estimate: GradientEstimate) -> list[Tensor]:
        """Gradients of the maps' parameters, the energy's weights and the cost's, in this order."""
        pairs = [
            (u, c) for u, c in zip(self._drives, estimate.drives, strict=True) if u.requires_grad
        ]
        through: Sequence[Tensor] = ()
        if self._parameters:
            through = torch.autograd.grad(
                [u for u, _ in pairs],
                self._parameters,
                [c for _, c in pairs],
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
        weights: dict[str, Tensor] = {}
        for key, gradient in estimate.weights.items():
            owner = self._owners[key]
            weights[owner] = weights[owner] + gradient if owner in weights else gradient
        # Estimators go through the parts of an energy in orders of their own.
        ordered = [weights[owner] for owner in dict.fromkeys(self._owners.values())]
        return [*through, *ordered, *estimate.cost_parameters]


def _owners(core: EnergyBlock) -> dict[str, str]:
    """For each weight that acts, the name under which it is a parameter: of a tied one, another."""
    first: dict[int, str] = {}
    return {key: first.setdefault(id(w), key) for key, w in core.energy.weights().items()}


def _map_parameters(block: HybridBlock) -> list[nn.Parameter]:
    return [parameter for parameter in block.maps.parameters() if parameter.requires_grad]


def _crossings(equilibrium: Equilibrium, states: Sequence[Tensor]) -> int:
    """Units that the nudged phases leave on different sides of a kink.

    ``states`` are those of both phases, stacked, or of the one phase that is then compared
    with the free state.
    """
    count, batch = 0, len(equilibrium.state[0])
    for layer, s, free in zip(equilibrium.bound.layers, states, equilibrium.state, strict=True):
        other = s[batch:] if len(s) > batch else free
        count += int(layer.activation.crossed(s[:batch], other).sum())
    return count
