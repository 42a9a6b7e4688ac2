"""Contraction of free phases at initial weights, and the settling time of analog blocks.

An analog block follows ``tau ds/dt = -s + sigma(v(s))``. If a sweep ``s <- sigma(v(s))`` multiplies
the distance to the fixed point by rho, that distance decays as ``exp(-(1 - rho) t / tau)``, and the
block has settled to a tolerance after ``ln(1 / tolerance) / (1 - rho)`` time constants.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.tools.checking.problem import random_batch

SAMPLES = 16

SWEEPS = (8, 16)
"""The residual is compared between these sweeps: after the start, before rounding."""


def contraction(spec: SpecIR, seed: int = 0) -> dict[str, float]:
    """The factor of each block's residual per sweep, the geometric mean over random samples."""
    network = build(spec.ideal(), seed=seed, dtype=torch.float64)
    network.eval()
    inputs, _ = random_batch(spec, SAMPLES, seed)
    residuals = []
    for sweeps in SWEEPS:
        settings = {
            name: replace(s, free=replace(s.free, sweeps=sweeps, tolerance=0.0))
            for name, s in ((name, own.quiet()) for name, own in network.settings().items())
        }
        with torch.no_grad():
            network(*inputs, settings=settings)
        residuals.append({report.block: report.residual for report in network.phases()})
    first, last = residuals
    # Clamped at rounding, which bounds the factor of converged samples from above.
    least = torch.finfo(torch.float64).eps
    logs = {
        block: (last[block].clamp_min(least) / first[block].clamp_min(least)).log().mean()
        for block in first
    }
    return {b: math.exp(float(log) / (SWEEPS[1] - SWEEPS[0])) for b, log in logs.items()}


def settling(spec: SpecIR, tolerance: float, seed: int = 0) -> dict[str, float]:
    """The number of time constants in which each block settles to ``tolerance``.

    Raises:
        InputError: a block does not contract.
    """
    rates = contraction(spec, seed)
    for block, rate in rates.items():
        if rate >= 1:
            raise InputError(
                f"block `{block}` does not contract at the weights that the spec begins with: the "
                f"residual changes by {rate:.3g} in a sweep",
                help="leave --settle out: the spec's sweeps are counted then",
            )
    return {block: -math.log(tolerance) / (1 - rate) for block, rate in rates.items()}
