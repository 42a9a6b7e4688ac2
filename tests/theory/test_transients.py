"""Random small networks: EP's transients tend to the unrolled ones as beta goes to 0."""

from __future__ import annotations

import re

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from numpy.typing import NDArray

from ffebm_dsl.build import build
from ffebm_dsl.tools.checking.problem import random_batch, train_without_dropout
from ffebm_dsl.tools.checking.transient_check import TransientSettings, transients
from ffebm_dsl.tools.checking.transient_table import Transients
from tests.theory.test_random_specs import SMOOTH, Construct, compiled, specs

MIRROR = {
    "synchronous": "synchronous",
    "asynchronous": "asynchronous_reversed",
    "asynchronous_reversed": "asynchronous",
    "forward": "backward",
    "backward": "forward",
}
CONVERGED = 1e-12
ROUNDING = 1e-7


def mirrored(text: str) -> str:
    """The spec with a converged free phase and the nudged phase in its reverse order."""
    order = re.search(r"relax nudged \{ sweeps = 30 order = (\w+)", text)
    assert order is not None
    text = text.replace("sweeps = 60", "sweeps = 3000 tolerance = 1e-14")
    return text.replace(order[0], order[0].replace(order[1], MIRROR[order[1]]))


def analysed(text: str, beta: float) -> Transients:
    spec = compiled(text)
    network = build(spec, dtype=torch.float64)
    train_without_dropout(network)
    inputs, target = random_batch(spec, 2, 0)
    return transients(network, inputs, target, TransientSettings(sweeps=6, beta=beta, entries=1))


def errors(found: Transients) -> NDArray[np.float64]:
    """Relative error of each block's whole gradient after 1, 2, ... sweeps, (T, blocks)."""
    norm = found.measures["norm_unrolled"][1:]
    difference = found.measures["relative_error"][1:] * norm
    columns = []
    for block in found.blocks:
        own = [p for p, owner in enumerate(found.owners) if owner == block.name]
        columns.append(
            np.linalg.norm(difference[:, own], axis=1) / np.linalg.norm(norm[:, own], axis=1)
        )
    return np.stack(columns, axis=1)


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # a shrink would take longer than the test
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(specs(Construct(tuple(SMOOTH))))
def test_ep_tends_to_autodiff_for_every_number_of_sweeps(text: str) -> None:
    text = mirrored(text)
    coarse = analysed(text, 2e-2)
    assume(all(block.free_residual < CONVERGED for block in coarse.blocks))
    assert all(block.mirrored for block in coarse.blocks)
    before, after = errors(coarse), errors(analysed(text, 2e-3))
    # The bias is of order beta squared: a tenth of beta leaves a hundredth of it.
    assert (after < np.maximum(before / 50, ROUNDING)).all(), f"{text}\n{before}\n{after}"
    assert after.max() < 1e-3
