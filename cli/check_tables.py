"""The result of ``ffebm check`` as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ffebm_dsl.cli.console import emit, table
from ffebm_dsl.language.diagnostics import Piece, Role
from ffebm_dsl.language.registry import GRADIENTS

if TYPE_CHECKING:
    from ffebm_dsl.tools.checking.check_report import CheckReport, GradientRow, RelaxationRow
    from ffebm_dsl.tools.checking.devices import DeviceRow
    from ffebm_dsl.tools.checking.used_constructs import ConstructRow


def print_promises(constructs: Sequence[ConstructRow], name: str) -> None:
    """A table of the constructs of all energies, and how they kept their promises."""
    emit(f"{name}: what the constructs of its energies promise, in float64")
    head = ["construct", "kind", "package", "used at", "comparisons", "worst error"]
    broken = [f"  BROKEN: {row.broken[0].text}" if row.broken else "" for row in constructs]
    emit(*_marked(table(head, [_promises(row) for row in constructs]), broken))


def _print_remarks(report: CheckReport) -> None:
    """Print what was left out, set aside, or measured twice."""
    for block, phases in report.noise.items():
        stated = ", ".join(
            f"{phase} {' + '.join(noise)}" for phase, noise in phases.items() if noise
        )
        emit(f"Noise of {block} ({stated}): left out, except in the values as configured.")
    judged, aside = (
        sum(getattr(row, what) for row in report.differences) for what in ("judged", "set_aside")
    )
    emit(f"Finite differences: {judged} directions; {aside} more set aside at kinks of the loss.")
    if report.finer:
        emit(
            f"EP of {', '.join(report.finer)}: with nudges a sixteenth as strong, since its bias "
            "is visible at the beta of the check and decreases with it."
        )


def _promises(row: ConstructRow) -> list[str]:
    worst = max(row.promises, key=lambda promise: promise.error / promise.limit)
    shown = row.broken[0] if row.broken else worst
    package = row.package or "ffebm"
    count = str(len(row.promises))
    return [row.name, row.noun, package, row.place, count, f"{shown.error:.1e}"]


def print_report(report: CheckReport, samples: int, seed: int) -> None:
    """Four tables: gradients by tensor, the beta sweep, relaxation, kinks; then the verdict."""
    emit(f"\nGradients in float64, {samples} random samples, seed {seed}")
    emit("\nRelative error of each gradient against its references, the worst of each")
    titles = [GRADIENTS[estimator].title for estimator in _estimators(report)]
    head = ["tensor", *titles, "worst cosine", "as configured"]
    rows, marks = _gradients(report)
    emit(*_marked(table(head, rows), marks))
    for block in report.unconverged:
        emit(f"not relaxed: {_how_it_ended(report, block)}; its gradients are meaningless")
    emit(
        "\nEP: against implicit, unrolled and finite differences; the others: against\n"
        "finite differences. As configured: cosine of the gradient that training has with\n"
        "the converged implicit one: the spec's own estimator, beta and sweeps, in\n"
        f"{report.dtype} on {report.device}."
    )
    if report.through_time:
        emit("bptt: against finite differences of the loss after the spec's own free phases.")
    _print_remarks(report)
    emit("\nBias of EP over beta")
    emit(table(["estimator", "observed order", "relative errors", "at beta"], _sweeps(report)))
    emit("\nRelaxation")
    emit(
        table(
            ["block", "phase", "settings", "statuses", "max residual", "sweeps"],
            _relaxation(report),
        )
    )
    emit("\nKinks")
    emit(
        table(
            ["block", "states", "on a kink", "beta of the check", "crossings at the spec's beta"],
            _kinks(report),
        )
    )
    _print_amplification(report)
    if report.steps:
        emit("\nSteps of layers with terms: the energy falls in steps below twice their size")
        emit(table(["block", "layer", "step", "curvature is at least minus"], _steps(report)))
    for row in report.series:
        radius = f"{row.radius:.2g}" if math.isfinite(row.radius) else "beyond measure"
        emit(
            f"\nComplex phases of {row.block}: its states' series in beta converges up to "
            f"{radius}; the spec's beta is {row.beta:g}"
        )
    if report.devices:
        emit(*_devices(report))
    if report.ok:
        tensors = len({row.tensor for row in report.gradients})
        emit(
            "\n",
            Piece("ok", Role.GOOD),
            f": {len(report.gradients)} comparisons of {tensors} tensors agree",
        )


def _print_amplification(report: CheckReport) -> None:
    """How far rounding carries, and where it does, what that means and what lowers it."""
    emit("\nRounding: relative change of a block over that of all weights, in float64")
    rows = [[r.block, f"{r.outputs:.2g}", f"{r.gradients:.2g}"] for r in report.amplification]
    emit(table(["block", "states", "gradients"], rows))
    large = [row.block for row in report.amplification if row.large]
    if large:
        emit(
            f"In {', '.join(large)} rounding decides in which direction states change. Another "
            "machine, or another number\nof threads, trains another network from this seed: "
            "compare means over seeds. Frozen routing,\naverage pooling instead of max pooling, or "
            "smaller weights reduce this effect."
        )


def _devices(report: CheckReport) -> Iterator[str]:
    """Two tables: the knobs by all tensors as one, the devices as they are by tensor."""
    whole = [row for row in report.devices if not row.tensor]
    yield (
        "\nDevices: training's gradients in float64 against the converged ones on ideal "
        "hardware,\neach imperfection alone and all together\n"
    )
    head = ["cosine", "bias", "spread over draws"]
    names = [f"{row.knob}, by {row.estimator}" if row.estimator else row.knob for row in whole]
    yield table(
        ["knob", *head],
        [[name, *_figures(row)] for name, row in zip(names, whole, strict=True)],
    )
    last = whole[-1].knob
    everything = [r for r in report.devices if r.tensor and r.knob == last and not r.estimator]
    yield "\n\nAll together, by tensor\n"
    yield table(["tensor", *head], [[row.tensor, *_figures(row)] for row in everything])
    yield "\n"


def _figures(row: DeviceRow) -> list[str]:
    return [cosine_text(row.cosine), f"{row.bias:.1e}", f"{row.spread:.1e}"]


def _gradients(report: CheckReport) -> tuple[list[list[str]], list[str]]:
    """The rows of the table, and what is wrong with each, ``""`` where nothing is."""
    rows: dict[str, list[GradientRow]] = {}
    for row in report.gradients:
        rows.setdefault(row.tensor, []).append(row)
    configured = {row.tensor: row.comparison for row in report.as_configured}
    cells, marks = [], []
    for tensor, group in rows.items():
        # Where finite differences could not judge, there is no error against them.
        errors = [
            max(
                (row.comparison.relative_error for row in group if _counts(row, estimator)),
                default=math.nan,
            )
            for estimator in _estimators(report)
        ]
        cosines = [row.comparison.cosine for row in group if not row.comparison.vanishes]
        worst = cosine_text(min(cosines, default=math.nan))
        own = configured[tensor]
        used = cosine_text(math.nan if own.vanishes else own.cosine)
        if any(report.not_relaxed(row) for row in group):
            cells.append([tensor, *("not relaxed" for _ in errors), "-", "-"])
            marks.append("")
            continue
        cells.append([tensor, *(f"{e:.1e}" for e in errors), worst, used])
        mark = "" if all(row.agrees for row in group) else "  WRONG"
        marks.append("  NOT JUDGED" if tensor in report.unjudged else mark)
    return cells, marks


def _marked(text: str, marks: Sequence[str]) -> Iterator[Piece]:
    """A table, and behind each of its rows a mark of what is wrong there."""
    head, *rows = text.split("\n")
    yield Piece(head)
    for row, mark in zip(rows, marks, strict=True):
        yield Piece(f"\n{row}")
        yield Piece(mark, Role.ERROR)


def _how_it_ended(report: CheckReport, block: str) -> str:
    """``block b after 5000 sweeps: 3 cycling, 1 exhausted (residual 1.2e-03)``."""
    row = next(
        row
        for row in report.relaxation
        if (row.block, row.phase, row.settings) == (block, "free", "check")
    )
    ended = f"{_statuses(row)} (residual {row.max_residual:.1e})"
    return f"block {block} after {row.sweeps} sweeps: {ended}"


def _statuses(row: RelaxationRow) -> str:
    return ", ".join(f"{count} {status}" for status, count in row.statuses.items())


def _estimators(report: CheckReport) -> list[str]:
    return sorted({row.estimator for row in report.gradients})


def _counts(row: GradientRow, estimator: str) -> bool:
    by_all = GRADIENTS[estimator].nudges
    return row.estimator == estimator and (by_all or row.reference == "finite_differences")


def cosine_text(value: float) -> str:
    """Six decimals; NaN is the cosine of a gradient that vanishes."""
    return "vanishes" if math.isnan(value) else f"{value:.6f}"


def _sweeps(report: CheckReport) -> list[list[str]]:
    return [
        [
            sweep.estimator,
            "exact" if sweep.observed_order is None else f"{sweep.observed_order:.2f}",
            " ".join(f"{error:.1e}" for error in sweep.relative_errors),
            " ".join(f"{beta:.2g}" for beta in sweep.betas),
        ]
        for sweep in report.beta_sweep
    ]


def _relaxation(report: CheckReport) -> list[list[str]]:
    return [
        [
            row.block,
            row.phase,
            row.settings,
            _statuses(row),
            f"{row.max_residual:.1e}",
            str(row.sweeps),
        ]
        for row in report.relaxation
    ]


def _steps(report: CheckReport) -> list[list[str]]:
    """By the steepness of the activation: the curvature of phi for an activation of slope 1."""
    return [
        [block, layer, f"{step:.3g}", f"{1 / step - 1:.3g}"]
        for block, layers in report.steps.items()
        for layer, step in layers.items()
    ]


def _kinks(report: CheckReport) -> list[list[str]]:
    return [
        [
            kink.block,
            str(kink.units),
            str(kink.on_kink),
            f"{kink.beta:.1e}",
            f"{kink.configured_crossings} at {kink.configured_beta:g}"
            if kink.configured_beta
            else "-",
        ]
        for kink in report.kinks
    ]
