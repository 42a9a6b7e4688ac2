"""Findings of a check as diagnostics with a place in the spec."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Diagnostic, SourceFile, Span
from ffebm_dsl.language.registry import GRADIENTS
from ffebm_dsl.tools.checking.as_configured import LOST, POOR
from ffebm_dsl.tools.checking.check_report import CheckReport, GradientRow


class Finding(NamedTuple):
    """What is told of one part of the model, a tensor or a block."""

    code: str
    part: str
    message: str
    help: str
    notes: tuple[str, ...] = ()


def findings(
    report: CheckReport, source: SourceFile, places: Mapping[str, Span]
) -> list[Diagnostic]:
    """One diagnostic per wrong or unjudged tensor, unconverged block, frozen pooling and kink.

    Of several comparisons in which a tensor disagrees, the worst is reported. Gradients of a block
    without a fixed point are not reported, as they are meaningless.
    """
    about = [_convergence, _kinks]
    if not report.unconverged:
        gradients = [_wrong_gradients, _not_judged, _convergence]
        about = [*gradients, _biased, _poor_in_training, _beyond_series, _kinks]
    return [
        Diagnostic(code, message, source, _place(part, places), notes=notes, help=help)
        for find in about
        for code, part, message, help, notes in find(report)
    ]


def _wrong_gradients(report: CheckReport) -> Iterator[Finding]:
    worst: dict[tuple[str, str], GradientRow] = {}
    unjudged = report.unjudged
    for row in report.gradients:
        key = (row.tensor, row.estimator)
        if row.agrees or row.tensor in unjudged:
            continue
        if key not in worst or _cosine(row) < _cosine(worst[key]):
            worst[key] = row
    for row in worst.values():
        where = f" in block `{row.block}`" if row.block else ""
        yield Finding(
            "FFE4004",
            row.tensor,
            f"the {GRADIENTS[row.estimator].title} gradient of `{row.tensor}`{where} is wrong: "
            f"cosine {row.comparison.cosine:.6f}, relative error "
            f"{row.comparison.relative_error:.2g} against {row.reference.replace('_', ' ')}",
            notes=(
                f"norm {row.comparison.norm:.3g}, reference {row.comparison.reference_norm:.3g}",
            ),
            help="if the spec uses ops of your own, check their derivatives; "
            "otherwise please report this spec",
        )


def _not_judged(report: CheckReport) -> Iterator[Finding]:
    for row in report.differences:
        if not row.enough:
            yield Finding(
                "FFE4006",
                row.tensor,
                f"the gradient of `{row.tensor}` cannot be judged: the loss has a kink in "
                f"{row.set_aside} of the {row.judged + row.set_aside} directions tried",
                help="other weights move the kinks: another --seed, `init`, or biases that "
                "are not all zero",
            )


def _cosine(row: GradientRow) -> float:
    return row.comparison.cosine


def _convergence(report: CheckReport) -> Iterator[Finding]:
    for block in report.unconverged:
        yield Finding(
            "FFE4005",
            block,
            f"block `{block}` does not relax to a fixed point, so no gradient of it means anything",
            help="make its weights smaller (`init`), use `order = asynchronous`, or add `damping`",
        )
    for block in report.frozen:
        yield Finding(
            "FFEW008",
            block,
            f"block `{block}` converges only with its max pooling frozen; it was frozen here",
            help="use avg_pool2d, an activated last layer, or `routing = frozen(after=20)`",
        )


def _biased(report: CheckReport) -> Iterator[Finding]:
    """The error of EP in blocks without an energy, and of clamped outputs in all blocks."""
    for block, cosine in report.biased.items():
        if block in report.clamped:
            yield _clamped(block, cosine)
            continue
        yield Finding(
            "FFEW011",
            block,
            f"EP's gradient of block `{block}`, whose couplings derive from no energy, has the "
            f"cosine {cosine:.6f} with the exact one",
            notes=("in float64, of all that the block learns; no beta makes it exact",),
            help="use `gradient aep()`, whose gradients were checked in its place",
        )


def _clamped(block: str, cosine: float) -> Finding:
    return Finding(
        "FFEW017",
        block,
        f"the gradient of block `{block}`, which holds its outputs, has the cosine "
        f"{cosine:.6f} with that of the loss",
        notes=("in float64, of all that the block learns; no strength makes it exact",),
        help="for the loss's own gradient use `gradient ep()`, which was checked in its place",
    )


def _poor_in_training(report: CheckReport) -> Iterator[Finding]:
    """The poorest gradient of each block, and of the maps outside blocks, as training has it."""
    # Where no gradient is defined, none can be poor; of a biased one it was told.
    undefined = {kink.block for kink in report.kinks if kink.on_kink} | set(report.biased)
    exact = {row.tensor: _cosine(row) for row in report.as_configured_in_float64}
    poorest: dict[str, GradientRow] = {}
    for row in report.as_configured:
        if row.block in undefined or row.tensor in report.unjudged:
            continue
        # The gradient of what the free phase computes is no poor estimate of another one.
        poor = _cosine(row) < POOR and not report.through_time
        poor = poor or exact[row.tensor] - _cosine(row) > LOST
        if poor and (row.block not in poorest or _cosine(row) < _cosine(poorest[row.block])):
            poorest[row.block] = row
    for row in poorest.values():
        rounding = exact[row.tensor] - _cosine(row) > LOST
        yield Finding(
            "FFEW010",
            row.tensor,
            f"training in {report.dtype} would follow a poor gradient of `{row.tensor}`: it "
            f"points {_degrees(_cosine(row)):.0f} degrees away from the converged one",
            notes=(
                f"norm {row.comparison.norm:.3g}, reference {row.comparison.reference_norm:.3g}, "
                f"in float64 {_degrees(exact[row.tensor]):.2g} degrees",
            ),
            help="it is lost in rounding: nudge more (a larger `beta`), or train in --dtype float64"
            if rounding
            else _mend_of_poor(report, row.block),
        )


def _mend_of_poor(report: CheckReport, block: str) -> str:
    """What to change where training's gradient is poor; ``""`` is the maps outside blocks."""
    if block in report.noise:
        return "nudge more (a larger `beta`), or have less noise"
    if report.devices:
        return "the device takes it there: see which of its knobs, below"
    rows = [r for r in report.relaxation if r.settings == "spec" and block in ("", r.block)]
    if any("cycling" in row.statuses for row in rows):
        return (
            "a phase cycles, which more sweeps do not end: add `damping`, make the weights "
            "smaller (`init`), or freeze the `routing` of max pooling"
        )
    return "relax further (more sweeps in both phases, `tolerance`), or nudge less"


def _degrees(cosine: float) -> float:
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))


def _beyond_series(report: CheckReport) -> Iterator[Finding]:
    for row in report.series:
        if row.converges:
            continue
        about = f"about {row.radius:.2g}" if row.radius else "too small to measure"
        yield Finding(
            "FFEW015",
            row.block,
            f"block `{row.block}`: beta = {row.beta:g} is beyond the radius of convergence of "
            f"its states' series in beta, {about}, so that complex phases do not give the gradient",
            notes=() if row.settled else ("phases on that circle do not come to rest",),
            help="nudge less, or with real strengths: `ep(stencil=4)`",
        )


def _kinks(report: CheckReport) -> Iterator[Finding]:
    for kink in report.kinks:
        if kink.on_kink:
            yield Finding(
                "FFEW009",
                kink.block,
                f"{kink.on_kink} of {kink.units} states of block `{kink.block}` sit on a kink of "
                "their activation, where no gradient is defined",
                notes=(f"compared at beta = {kink.beta:.1g}",),
                help="their share of the gradient is arbitrary; other weights will move them",
            )


def _place(part: str, places: Mapping[str, Span]) -> Span:
    """The innermost place that the part belongs to: ``b1.u.conv2d.weight`` to ``b1.u``."""
    parts = part.split("(")[0].split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in places:
            return places[name]
    return places[""]
