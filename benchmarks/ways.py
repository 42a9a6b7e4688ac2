"""Ways of relaxation that the benchmarks of sweeps compare, and their networks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from ffebm_dsl.constructs.solvers.anderson import Anderson
from ffebm_dsl.constructs.solvers.auto import Auto
from ffebm_dsl.language.ir import compile_spec, read_source
from ffebm_dsl.physics.energy import HopfieldEnergy
from ffebm_dsl.physics.interfaces import Acceleration, PhaseSettings, Solver
from ffebm_dsl.physics.network import HybridNetwork, Inputs
from ffebm_dsl.physics.network.block import EnergyBlock
from ffebm_dsl.physics.relaxation import OverRelaxation, carried
from ffebm_dsl.running.run_directory import open_run
from ffebm_dsl.running.training import Options, checkpoint
from ffebm_dsl.running.training.job import assemble, settle
from ffebm_dsl.running.training.restoring import restore_network

MOST = 500
"""Maximum number of sweeps of a phase to a tolerance."""

FINE = 2e-7
"""Tolerance of the phases that are not compared, in float32."""


@dataclass(frozen=True)
class Way:
    """A way of relaxation: ``after`` is ``routing_after``, ``memory`` that of Anderson; 0: none.

    ``auto``: ``solver = auto``, which needs a tolerance and chooses the rest.
    """

    after: int = -1
    omega: float = 1.0
    memory: int = 0
    damping: float = 0.0
    feedforward: bool = False
    auto: bool = False

    @property
    def name(self) -> str:
        parts = {
            f"frozen({self.after})": self.after >= 0,
            f"over-relaxed {self.omega:g}": self.omega > 1,
            f"anderson({self.memory})": self.memory > 0,
            f"damped {self.damping:g}": self.damping > 0,
            "feedforward start": self.feedforward,
            "auto": self.auto,
        }
        return ", ".join(part for part, here in parts.items() if here) or "plain"

    def plainly(self) -> Way:
        """Plain sweeps with the same routing."""
        return Way(self.after)

    def of(
        self, core: EnergyBlock, phase: PhaseSettings, tolerance: float, sweeps: int = MOST
    ) -> PhaseSettings:
        """``phase`` of a block with this way of relaxation."""
        assert isinstance(core.energy, HopfieldEnergy)
        edges = [(c.source, c.target) for c in core.energy.couplings]
        own = self.omega > 1 or self.damping > 0
        read = tuple(range(len(core.energy.layers))) if own else carried(phase.schedule, edges)
        plain = replace(phase.solver.plain, damping=self.damping)
        solver: Solver = OverRelaxation(self.omega, plain) if self.omega > 1 else plain
        if self.memory:
            solver = Anderson(self.memory, read, solver)
        if self.auto and plain.acceleration is Acceleration.BY_RATE:
            solver = Auto(plain)
        return PhaseSettings(sweeps, tolerance, solver, self.after, self.feedforward)


@dataclass(frozen=True)
class StepSetting:
    """Relaxations of a step: free phases to ``tolerance``, nudged of ``length`` or to ``close``."""

    free: Way
    tolerance: float
    nudged: Way = Way()
    length: int = 0
    close: float = FINE

    def apply(self, network: HybridNetwork) -> None:
        """Set the relaxations of the blocks of ``network``."""
        nudged = replace(self.nudged, feedforward=False)
        fixed = (0.0, self.length) if self.length else (self.close, MOST)
        for core in cores(network):
            s = core.settings
            core.configure(
                free=self.free.of(core, s.free, self.tolerance),
                nudged=nudged.of(core, s.nudged, *fixed),
            )


def cores(network: HybridNetwork) -> Iterator[EnergyBlock]:
    """The energy blocks."""
    return (block.core for block in network.blocks)


def trained(run: Path, data_dir: Path | None, samples: int) -> tuple[HybridNetwork, Inputs, Tensor]:
    """The network of a run's newest checkpoint in evaluation mode, and its first test samples."""

    def warn(text: str) -> None:
        print(text, file=sys.stderr)

    directory = open_run(run)
    path, saved = checkpoint.newest(directory.checkpoints, warn)
    overrides = saved.identity.overrides
    compiled = compile_spec(read_source(directory.spec), overrides)
    options = settle(Options(data_dir=data_dir, device="cpu"), compiled.spec, saved.settings)
    job = assemble(compiled, overrides, saved.identity.dtype, options)
    restore_network(job.network, saved.network, path)
    return job.network.eval(), *job.data.named("test").batch(np.arange(samples))
