"""The result of a check, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from ffebm_dsl.physics.gradients.gradient_comparison import Comparison
from ffebm_dsl.physics.interfaces import Status
from ffebm_dsl.physics.network import PhaseReport
from ffebm_dsl.physics.network.amplification import Amplification
from ffebm_dsl.tools.checking.beta_sweep import BetaSweep
from ffebm_dsl.tools.checking.devices import DeviceRow
from ffebm_dsl.tools.checking.kinks import KinkReport
from ffebm_dsl.tools.checking.series import SeriesReport


@dataclass(frozen=True)
class GradientRow:
    """The gradient of one tensor by one estimator, compared with one reference.

    ``tensor`` is a parameter's label or ``block.input(port)``; ``block`` the block it
    belongs to, empty for a readout or a model-level map. ``agrees`` is the verdict.
    """

    tensor: str
    block: str
    estimator: str
    reference: str
    comparison: Comparison
    agrees: bool

    def to_dict(self) -> dict[str, object]:
        row = asdict(self)
        return row | row.pop("comparison")


@dataclass(frozen=True)
class DifferenceRow:
    """How well finite differences cover one tensor.

    ``wanted`` directions were asked for, ``judged`` of them taken; ``set_aside`` counts those
    across which the loss has a kink at every step. ``enough`` is whether at least half of the
    wanted directions were judged; otherwise the check does not pass.
    """

    tensor: str
    wanted: int
    judged: int
    set_aside: int
    enough: bool


@dataclass(frozen=True)
class RelaxationRow:
    """Convergence of one phase of one block.

    ``settings`` is ``spec`` for the relaxation as configured and ``check`` for the one to
    convergence, on which gradients are compared. ``statuses`` counts samples.
    """

    block: str
    phase: str
    settings: str
    statuses: dict[str, int]
    max_residual: float
    sweeps: int


@dataclass(frozen=True)
class CheckReport:
    """The results of ``ffebm check`` on the gradients of a valid spec.

    Attributes:
        gradients: every estimator compared with its references, at convergence.
        through_time: whether all blocks are differentiated through their free phases. Rows of that
            estimator compare it with the loss after the spec's own free phases.
        differences: coverage by finite differences of each tensor.
        dtype, device: those of training, for "as configured".
        as_configured: the gradients that training has at these weights, with the spec's own
            estimators, beta and sweeps in that dtype, against the implicit gradient at
            convergence; poor ones are a warning.
        as_configured_in_float64: the same without rounding.
        beta_sweep: one entry for each variant of EP.
        relaxation: convergence of every block.
        kinks: states near kinks, and the beta chosen for each block.
        steps: of each block with terms of layers, by layer: how much of the way to ``sigma(v)`` an
            update goes, so that the energy falls.
        noise: of each block that has some, by phase and as calls: left out of everything but
            ``as_configured`` and ``as_configured_in_float64``.
        series: how far the states of blocks with complex phases are a series in beta.
        amplification: amplification of rounding in every block, as training relaxes it.
        finer: tensors whose gradient by EP was judged with nudges a sixteenth as strong, as its
            bias showed at the beta of the check.
        biased: of each block that is trained by EP and has no energy, or by clamping its outputs,
            the cosine of that gradient, at convergence and with weak nudges, with the implicit
            one. AEP or EP is judged in its place.
        clamped: names of blocks that learn by clamping their outputs.
        devices: what the hardware that blocks are on does to training's gradients, by knob.
            All else is on ideal hardware, but for what is as configured.
        frozen, damped, unconverged: names of blocks, as in ``Problem``.
    """

    gradients: list[GradientRow]
    through_time: bool
    differences: list[DifferenceRow]
    dtype: str
    device: str
    as_configured: list[GradientRow]
    as_configured_in_float64: list[GradientRow]
    beta_sweep: list[BetaSweep]
    relaxation: list[RelaxationRow]
    kinks: list[KinkReport]
    steps: dict[str, dict[str, float]]
    noise: dict[str, dict[str, list[str]]]
    series: list[SeriesReport]
    amplification: list[Amplification]
    finer: list[str]
    biased: dict[str, float]
    clamped: list[str]
    devices: list[DeviceRow]
    frozen: list[str]
    damped: list[str]
    unconverged: list[str]

    @property
    def ok(self) -> bool:
        """Every gradient could be judged and agrees, and every block converged before that."""
        right = not self.unjudged and all(row.agrees for row in self.gradients)
        return not self.unconverged and right

    @property
    def unjudged(self) -> set[str]:
        """Tensors that finite differences do not cover sufficiently."""
        return {row.tensor for row in self.differences if not row.enough}

    def not_relaxed(self, row: GradientRow) -> bool:
        """Whether a row is meaningless because a block has no fixed point."""
        return bool(self.unconverged) and (row.block in self.unconverged or not row.agrees)

    def to_dict(self) -> dict[str, object]:
        """The report as plain mappings and lists."""
        rows = {
            "gradients": self.gradients,
            "as_configured": self.as_configured,
            "as_configured_in_float64": self.as_configured_in_float64,
        }
        series = [asdict(row) | {"converges": row.converges} for row in self.series]
        told = {name: [row.to_dict() for row in found] for name, found in rows.items()}
        return asdict(self) | told | {"series": series}


def relaxation_rows(reports: Iterable[PhaseReport], settings: str) -> list[RelaxationRow]:
    """One row per block and phase; both signs of a centered nudged phase share a row."""
    grouped: dict[tuple[str, str], list[PhaseReport]] = {}
    for report in reports:
        grouped.setdefault((report.block, report.phase), []).append(report)
    rows = []
    for (block, phase), group in grouped.items():
        codes = [int(code) for report in group for code in report.status]
        statuses = {s.name.lower(): codes.count(s) for s in Status if s in codes}
        residual = max(float(report.residual.max()) for report in group)
        sweeps = max(int(report.sweeps.max()) for report in group)
        rows.append(RelaxationRow(block, phase, settings, statuses, residual, sweeps))
    return rows
