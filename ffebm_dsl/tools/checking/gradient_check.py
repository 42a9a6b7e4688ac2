"""The check that a spec's gradients are correct: every estimator, by two routes.

EP, implicit and unrolled gradients of the mean loss are compared with one another and
with finite differences of the loss at equilibrium, for every parameter and for what
enters every block. The routes share only the free phase: finite differences use no estimator,
implicit differentiation relaxes the linearised dynamics, unrolling uses autograd.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ffebm_dsl.constructs.gradients.aep import AsymmetricPropagation
from ffebm_dsl.constructs.gradients.bptt import BackpropagationThroughTime
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.physics.gradients.finite_differences import Differences, project
from ffebm_dsl.physics.gradients.gradient_comparison import compare
from ffebm_dsl.physics.interfaces import AutomaticEstimator, ContrastiveEstimator, Estimator
from ffebm_dsl.physics.network.amplification import Amplification, amplification
from ffebm_dsl.tools.checking.as_configured import gradients_of_training
from ffebm_dsl.tools.checking.beta_sweep import BetaSweep, beta_sweep, contrasts, joined
from ffebm_dsl.tools.checking.check_report import (
    CheckReport,
    DifferenceRow,
    GradientRow,
    RelaxationRow,
    relaxation_rows,
)
from ffebm_dsl.tools.checking.devices import DeviceRow, device_rows, on_devices, stated_noise
from ffebm_dsl.tools.checking.kinks import KinkReport, survey
from ffebm_dsl.tools.checking.problem import TOLERANCE, Problem, make_problem, steps_of
from ffebm_dsl.tools.checking.series import SeriesReport, series
from ffebm_dsl.tools.checking.slopes import differences

VANISHING = {torch.float64: 1e-7, torch.float32: 1e-4}
"""A gradient this small, relative to the network's largest, is beyond EP in this dtype."""

FINER = 1 / 16
"""Part of a block's beta at which what disagrees is looked at again: a bias of order 1 falls so far
with it, and rounding grows so far."""

KNOWN = (ContrastiveEstimator, AutomaticEstimator, Implicit, Unrolled, BackpropagationThroughTime)
"""The kinds of estimators that are judged in every network, or apart."""

Gradients = dict[str, Tensor]
Progress = Callable[[int, int, str], None]
"""Told of every step: how many are done, of how many, and what is being done."""


@dataclass(frozen=True)
class CheckSettings:
    """Settings of a check.

    Attributes:
        samples: batch size.
        seed: seed of weights, inputs, targets and directions.
        directions: finite-difference directions per tensor.
        cosine: the least cosine that counts as agreement.
        relative_error: the largest relative error that counts as agreement.
        sweeps: the largest number of sweeps of a solve.
        dtype, device: those of training, for the gradients "as configured".
    """

    samples: int = 4
    seed: int = 0
    directions: int = 6
    cosine: float = 0.999
    relative_error: float = 0.01
    sweeps: int = 5000
    dtype: torch.dtype = torch.float32
    device: str = "cpu"


def check(
    spec: SpecIR, settings: CheckSettings | None = None, progress: Progress | None = None
) -> CheckReport:
    """Check the gradients of a spec in float64 on a small random batch."""
    settings = settings or CheckSettings()
    progress = progress or (lambda done, total, what: None)
    progress(0, 1, "relaxing to convergence")
    problem = make_problem(
        spec.ideal(), samples=settings.samples, seed=settings.seed, sweeps=settings.sweeps
    )
    return _Checker(spec, problem, settings, progress).report()


class _Checker:
    """The steps of one check, which share the problem and the implicit gradients."""

    def __init__(
        self, spec: SpecIR, problem: Problem, settings: CheckSettings, progress: Progress
    ) -> None:
        self.spec, self.problem, self.settings = spec, problem, settings
        self._progress = progress
        self.implicit = Implicit(tolerance=TOLERANCE, sweeps=settings.sweeps)
        self.captured = problem.capture(self.implicit)
        # A block that no loss depends on is asked for no gradient.
        known = _with_strengths(problem)
        self.estimators = {name: known[name] for name in self.captured}
        cores = problem.cores().items()
        self.asymmetric = {name for name, c in cores if c.energy.layer_weights is None}
        self.reference = problem.gradients(self._everywhere(self.implicit))
        solves = [r for r in problem.network.phases() if r.phase != "free"]
        self.relaxation = relaxation_rows([*problem.free_reports, *solves], "check")
        self.scale = max(float(g.norm()) for g in self.reference.values())
        self._contrasts = contrasts(self.spec, self.estimators, self._judged)
        probes = sum(min(g.numel(), settings.directions) for g in self.reference.values())
        self.slopes: dict[str, Differences] = {}
        self.finer: list[str] = []
        self._done = 0
        self._total = 2 * probes + len(self.captured) + 3 + len(self._contrasts)

    def advance(self, what: str) -> None:
        # How many finer steps and further directions there will be shows only on the way.
        self._total = max(self._total, self._done + 1)
        self._progress(self._done, self._total, what)
        self._done += 1

    def report(self) -> CheckReport:
        kinks = [self._survey(name) for name in self.captured]
        estimates = self._estimates(kinks)
        biased = self._biased(kinks)
        own = [isinstance(e, BackpropagationThroughTime) for e in self.estimators.values()]
        gradients = self._judge(estimates, kinks) + (self._through_time() if all(own) else [])
        configured, in_float64, rows = self._as_configured()
        return CheckReport(
            gradients=gradients,
            through_time=all(own),
            differences=[
                DifferenceRow(tensor, d.wanted, len(d.slopes), d.set_aside, d.enough)
                for tensor, d in self.slopes.items()
            ],
            dtype=str(self.settings.dtype).removeprefix("torch."),
            device=self.settings.device,
            as_configured=configured,
            as_configured_in_float64=in_float64,
            beta_sweep=self._beta_sweeps(kinks),
            relaxation=rows + self.relaxation,
            kinks=kinks,
            steps=steps_of(self.problem.network),
            noise=stated_noise(self.spec),
            series=self._series(),
            amplification=self._amplification(),
            finer=self.finer,
            biased=biased,
            clamped=[b for b, e in self.estimators.items() if getattr(e, "clamped", False)],
            devices=self._devices(),
            frozen=self.problem.frozen,
            damped=self.problem.damped,
            unconverged=self.problem.unconverged,
        )

    def _everywhere(self, estimator: Estimator) -> dict[str, Estimator]:
        return dict.fromkeys(self.estimators, estimator)

    def _survey(self, block: str) -> KinkReport:
        self.advance(f"looking for kinks around {block}")
        estimator = self.estimators[block]
        beta = estimator.reach if isinstance(estimator, ContrastiveEstimator) else 0.0
        return survey(block, self.captured[block], beta, self._judged(block))

    def _judged(self, block: str) -> ContrastiveEstimator:
        """The contrast of phases that must be right: the block's own where there is one.

        EP is not right where there is no energy, and clamped outputs give another gradient than
        the loss's. There AEP or EP is judged in its place, and how far the spec's own estimator is
        off shows as biased and as configured.
        """
        estimator = self.estimators[block]
        if block in self.asymmetric and not getattr(estimator, "transposed", False):
            return AsymmetricPropagation()
        if isinstance(estimator, ContrastiveEstimator) and not estimator.clamped:
            return estimator
        return EquilibriumPropagation()

    def _series(self) -> list[SeriesReport]:
        """Of blocks with complex phases, how far their states are a series in beta."""
        found = []
        for name, estimator in self.estimators.items():
            if isinstance(estimator, ContrastiveEstimator) and estimator.is_complex:
                self.advance(f"the series in beta of {name}")
                found.append(series(name, self.captured[name], estimator.reach))
        return found

    def _amplification(self) -> list[Amplification]:
        self.advance("how far rounding carries")
        problem = self.problem
        return amplification(problem.network, problem.gradients_with, self.settings.seed)

    def _beta_sweeps(self, kinks: list[KinkReport]) -> list[BetaSweep]:
        found, largest = [], min(kink.smooth_beta for kink in kinks)
        for name, estimators in self._contrasts.items():
            self.advance(f"beta sweep, {name}")
            found.append(beta_sweep(name, self.problem, estimators, largest, self.reference))
        return found

    def _estimates(self, kinks: list[KinkReport]) -> dict[str, Gradients]:
        """Every estimator's gradients, by the estimator's name."""
        self.advance("EP, implicit and unrolled gradients")
        nudged = self._nudged(kinks)
        self.relaxation += [
            row
            for row in relaxation_rows(self.problem.network.phases(), "check")
            if row.phase == "nudged"
        ]
        sweeps = max(row.sweeps for row in self.relaxation if row.phase == "free")
        unrolled = self.problem.gradients(self._everywhere(Unrolled(sweeps + sweeps // 2)))
        return {"ep": nudged, "unrolled": unrolled, "implicit": self.reference, **self._others()}

    def _others(self) -> dict[str, Gradients]:
        """The gradients by the spec's estimators of other kinds, by their names."""
        names = {block.name: block.gradient.name for block in self.spec.model.blocks}
        own = {b: e for b, e in self.estimators.items() if not isinstance(e, KNOWN)}
        exact = self._everywhere(self.implicit)
        return {
            name: self.problem.gradients(
                {**exact, **{b: e for b, e in own.items() if names[b] == name}}
            )
            for name in dict.fromkeys(names[b] for b in own)
        }

    def _nudged(self, kinks: list[KinkReport], part: float = 1.0) -> Gradients:
        """The gradients by what is judged, at that part of the beta of each block's check."""
        betas = {kink.block: part * kink.beta for kink in kinks}
        return self.problem.gradients(
            {block: self._judged(block).reaching(betas[block]) for block in self.estimators}
        )

    def _judge(self, estimates: dict[str, Gradients], kinks: list[KinkReport]) -> list[GradientRow]:
        """Every estimate against its references.

        Near a bifurcation the bias of EP is large at any beta well above rounding. It falls at
        least in proportion to beta, which an error of the gradient does not. If a tensor
        disagrees and its error falls so, the weaker nudges count.
        """
        rows = self._against_implicit(estimates) + self._against_differences(estimates)
        wrong = {row.tensor for row in rows if row.estimator == "ep" and not row.agrees}
        if not wrong:
            return rows
        self.advance("EP with weaker nudges")
        finer = self._nudged(kinks, FINER)
        self.finer = [t for t in finer if t in wrong and self._falls(t, estimates["ep"], finer)]
        changed = {**estimates, "ep": estimates["ep"] | {t: finer[t] for t in self.finer}}
        return self._against_implicit(changed) + self._against_differences(changed)

    def _falls(self, tensor: str, *gradients: Gradients) -> bool:
        """Whether the error of the second gradient is smaller as with weaker nudges."""
        before, after = (
            self._row(tensor, "ep", "implicit", g[tensor], self.reference[tensor]).comparison
            for g in gradients
        )
        return after.relative_error <= 2 * FINER * before.relative_error

    def _biased(self, kinks: list[KinkReport]) -> dict[str, float]:
        """The cosine with the implicit gradient, of blocks whose own contrast is not judged."""
        betas = {kink.block: kink.beta for kink in kinks}
        own: dict[str, Estimator] = {
            block: estimator.reaching(betas[block])
            for block, estimator in self.estimators.items()
            if isinstance(estimator, ContrastiveEstimator) and estimator is not self._judged(block)
        }
        cosines = {}
        for block, estimator in own.items():
            found = self.problem.gradients({**self._everywhere(self.implicit), block: estimator})
            of_block = [tensor for tensor in found if tensor.startswith(f"{block}.")]
            pair = [joined({t: g[t] for t in of_block}) for g in (found, self.reference)]
            cosines[block] = compare(*pair).cosine
        return cosines

    def _against_implicit(self, estimates: dict[str, Gradients]) -> list[GradientRow]:
        others = [name for name in estimates if name != "implicit"]
        pairs = [("ep", "unrolled"), *((name, "implicit") for name in others)]
        return [
            self._row(tensor, estimator, reference, gradient, estimates[reference][tensor])
            for estimator, reference in pairs
            for tensor, gradient in estimates[estimator].items()
        ]

    def _against_differences(self, estimates: dict[str, Gradients]) -> list[GradientRow]:
        generator = torch.Generator().manual_seed(self.settings.seed + 1)
        start, rows = self.problem.loss(), []
        for tensor, expected in self.reference.items():
            if tensor not in self.slopes:
                self.slopes[tensor] = self._differences(
                    self.problem, tensor, expected, start, generator
                )
            found = self.slopes[tensor]
            if not found.enough:
                continue
            floor = max(found.noise, VANISHING[torch.float64] * self.scale)
            for estimator, gradients in estimates.items():
                seen = project(gradients[tensor], found.rows)
                row = self._row(tensor, estimator, "finite_differences", seen, found.slopes, floor)
                rows.append(row)
        return rows

    def _differences(
        self, problem: Problem, tensor: str, expected: Tensor, start: float, seed: torch.Generator
    ) -> Differences:
        return differences(
            problem,
            tensor,
            expected,
            start=start,
            count=self.settings.directions,
            floor=VANISHING[torch.float64] * self.scale,
            generator=seed,
            advance=self.advance,
        )

    def _through_time(self) -> list[GradientRow]:
        """The spec's own gradients against the loss after its own free phases, converged or not."""
        quiet = {name: s.quiet() for name, s in self.problem.configured.items()}
        problem = replace(self.problem, settings=quiet)
        generator = torch.Generator().manual_seed(self.settings.seed + 1)
        start, rows = problem.loss(), []
        for tensor, gradient in problem.gradients_with(quiet).items():
            found = self._differences(problem, tensor, gradient, start, generator)
            if found.enough:
                floor = max(found.noise, VANISHING[torch.float64] * self.scale)
                seen = project(gradient, found.rows)
                rows.append(
                    self._row(tensor, "bptt", "finite_differences", seen, found.slopes, floor)
                )
        return rows

    def _as_configured(
        self,
    ) -> tuple[list[GradientRow], list[GradientRow], list[RelaxationRow]]:
        """Training's own gradients, and the same in float64, against the converged implicit one."""
        self.advance("gradients as configured")
        device = torch.device(self.settings.device)
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(self.settings.seed)
            gradients, phases = gradients_of_training(
                self.problem, self.spec, self.settings.dtype, device
            )
            # The same noise: it is drawn in one precision.
            torch.manual_seed(self.settings.seed)
            exact, _ = gradients_of_training(
                self.problem, self.spec, torch.float64, torch.device("cpu")
            )
        floor = VANISHING[self.settings.dtype] * self.scale
        rows = [
            [
                self._row(tensor, "as configured", "implicit", found, self.reference[tensor], floor)
                for tensor, found in one.items()
            ]
            for one in (gradients, exact)
        ]
        return rows[0], rows[1], relaxation_rows(phases, "spec")

    def _devices(self) -> list[DeviceRow]:
        if not on_devices(self.spec):
            return []
        return device_rows(self.spec, self.problem, self.reference, self.advance)

    def _row(
        self,
        tensor: str,
        estimator: str,
        reference: str,
        estimate: Tensor,
        expected: Tensor,
        floor: float | None = None,
    ) -> GradientRow:
        floor = VANISHING[torch.float64] * self.scale if floor is None else floor
        comparison = compare(estimate, expected, floor=floor)
        agrees = (
            comparison.agrees(self.settings.cosine)
            and comparison.relative_error <= self.settings.relative_error
        )
        block = tensor.split(".")[0]
        block = block if block in self.estimators else ""
        return GradientRow(tensor, block, estimator, reference, comparison, agrees)


def _with_strengths(problem: Problem) -> dict[str, Estimator]:
    """The spec's estimators, their strengths measured on the problem where the spec says so."""
    if any(core.reach is not None for core in problem.cores().values()):
        problem.gradients_with(problem.configured)
    return {name: core.estimator for name, core in problem.cores().items()}
