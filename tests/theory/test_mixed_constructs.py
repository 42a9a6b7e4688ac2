"""Random networks that mix all constructs are refused, or their gradients are right.

The spec's gradient is compared, at convergence in float64, with implicit differentiation and with
finite differences of the loss; every gradient of training is computed as well.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from torch import Tensor

from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.physics.interfaces import ContrastiveEstimator, Estimator, Status
from ffebm_dsl.tools.checking import CheckSettings, check
from ffebm_dsl.tools.checking.problem import Problem, make_problem
from tests.theory.mixed import mixed_specs

REFUSALS = {
    "FFE3011": "something that the kind of energy cannot have",
    "FFE3012": "feedback that no energy has",
    "FFE4001": "nudge=loss in a block that the loss does not read",
    "FFE4002": "nudge=loss where something else reads the block",
    "FFE4011": "complex phases of what is not holomorphic",
    "FFE1023": "complex phases nudged by the loss",
}
"""What a drawn text may be refused for."""

STRENGTH = 1e-4
"""Of the strongest nudge: small against any bias, large against the rounding of float64."""

STEP = 1e-6
"""Of finite differences: next to a bifurcation of oscillators the third derivative is large."""

AGREEMENT = 1e-3
"""Relative; one-sided estimates are off by about the strength."""

UNROLLED = 500
"""Sweeps after which the slowest of these networks has converged."""


def compiled(text: str) -> SpecIR | None:
    """The spec; None where it is refused for what it mixes."""
    try:
        return compile_spec(SourceFile("mixed.ffe", text)).spec
    except SpecError as refused:
        errors = {d.code for d in refused.diagnostics if not d.code.startswith("FFEW")}
        assert errors <= set(REFUSALS), f"{errors}\n{text}"
        return None


def learns_by(problem: Problem) -> dict[str, Estimator]:
    """Each block's own estimator, at a strength that shows no bias, or unrolled to convergence."""
    found = {}
    for name, core in problem.cores().items():
        estimator = core.estimator
        if isinstance(estimator, ContrastiveEstimator):
            estimator = estimator.reaching(STRENGTH)
        elif isinstance(estimator, Unrolled):
            estimator = Unrolled(UNROLLED)
        found[name] = estimator
    return found


def converged(problem: Problem) -> bool:
    """Whether every phase since the last forward pass has converged."""
    return all(bool((r.status == Status.CONVERGED).all()) for r in problem.network.phases())


def joined(gradients: dict[str, Tensor]) -> Tensor:
    return torch.cat([g.flatten() for g in gradients.values()])


def slope(problem: Problem, gradient: dict[str, Tensor], seed: int) -> tuple[float, float]:
    """Along a random direction of all parameters: of the loss, and by the gradient."""
    labels, generator = problem.network.labels(), torch.Generator().manual_seed(seed)
    parameters = {labels[name]: p for name, p in problem.network.named_parameters()}
    rows = {
        name: torch.randn(p.shape, dtype=p.dtype, generator=generator)
        for name, p in parameters.items()
    }
    before = {name: p.detach().clone() for name, p in parameters.items()}
    losses = []
    for step in (STEP, -STEP):
        with torch.no_grad():
            for name, p in parameters.items():
                p.copy_(before[name] + step * rows[name])
        losses.append(problem.loss())
    with torch.no_grad():
        for name, p in parameters.items():
            p.copy_(before[name])
    expected = sum(float((gradient[name] * row).sum()) for name, row in rows.items())
    return (losses[0] - losses[1]) / (2 * STEP), expected


def assert_right(text: str) -> str:
    """What became of the text: refused, unconverged, biased or right."""
    spec = compiled(text)
    if spec is None:
        return "refused"
    problem = make_problem(spec, samples=2, seed=0, sweeps=2000)
    training = problem.gradients_with(problem.configured)
    assert all(bool(g.isfinite().all()) for g in training.values()), text
    if problem.unconverged:
        return "unconverged"
    exact = problem.gradients({name: Implicit(1e-13, 2000) for name in problem.cores()})
    if not converged(problem):  # the adjoints, in the order of the nudged phases
        return "unconverged"
    scale = max(float(g.norm()) for g in exact.values())
    found, expected = slope(problem, exact, seed=1)
    assert abs(found - expected) < 1e-4 * scale, f"{found} {expected}\n{text}"
    if any(
        core.energy.layer_weights is None and not getattr(core.estimator, "transposed", False)
        for core in problem.cores().values()
    ):
        # EP without an energy is biased, and the spec warned of.
        return "biased"
    if any(getattr(core.estimator, "clamped", False) for core in problem.cores().values()):
        # Outputs that are held give the gradient of something else (test_coupled_learning.py).
        return "biased"
    own = problem.gradients(learns_by(problem))
    if not converged(problem):
        return "unconverged"
    for name, gradient in own.items():
        error = float((gradient - exact[name]).norm())
        assert error < AGREEMENT * max(float(exact[name].norm()), 1e-2 * scale), f"{name}\n{text}"
    return "right"


FEW = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # a shrink would take longer than the test
    suppress_health_check=list(HealthCheck),
)


@FEW
@given(mixed_specs())
def test_what_is_not_refused_is_right(text: str) -> None:
    assert_right(text)


@pytest.mark.slow
def test_refusals_do_not_hide_the_mixtures() -> None:
    """Of the drawn texts most compile, and every kind of construct is among those."""
    compiling, texts = 0, list[str]()

    @settings(FEW, max_examples=400, database=None)
    @given(mixed_specs())
    def draw(text: str) -> None:
        nonlocal compiling
        texts.append(text)
        compiling += compiled(text) is not None

    draw()
    assert compiling > len(texts) / 3
    words = (
        *("feedback = own", "feedback = 0.3", "attention", "memory", "oscillator", "resistive"),
        *("points=", "stencil=", "beta=auto", "aep", "nudge=loss", "+ 0.5 *", "noise", "labels"),
        *("coupled_learning", "tied_to"),
    )
    drawn = [text for text in texts if compiled(text) is not None]
    missing = [word for word in words if not any(word in text for text in drawn)]
    assert not missing


@pytest.mark.slow
@settings(FEW, max_examples=60)
@given(mixed_specs())
def test_many_mixtures(text: str) -> None:
    assert_right(text)


@pytest.mark.slow
@settings(FEW, max_examples=12)
@given(mixed_specs())
def test_ffebm_check_passes_on_mixtures(text: str) -> None:
    spec = compiled(text)
    assume(spec is not None)
    assert spec is not None
    report = check(spec, CheckSettings(samples=2, directions=2, sweeps=2000))
    assume(not report.unconverged)
    wrong = [
        (row.tensor, row.estimator, row.reference, row.comparison)
        for row in report.gradients
        if not row.agrees and row.tensor not in report.unjudged
    ]
    assert not wrong, f"{text}\n{wrong}"
