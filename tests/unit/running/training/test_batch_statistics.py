"""Evaluations use batch-norm statistics of the current weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.running.training import Options, Session, batch_statistics, evaluate_run, train
from ffebm_dsl.running.training.batch_statistics import estimate_statistics

from .runs import SPEC, controls, new_session, read

PLAIN = SPEC.replace("dropout(0.2) |> ", "").replace(", augment=[hflip(), crop(padding=1)]", "")
WITHOUT = SPEC.replace(" |> batch_norm1d()", "")


def statistics(session: Session) -> dict[str, Tensor]:
    """Running means and variances, copied."""
    return {
        name: buffer.clone()
        for name, buffer in session.job.network.named_buffers()
        if name.endswith(("running_mean", "running_var"))
    }


def evaluations(folder: Path) -> NDArray[np.float64]:
    table = read(folder / "run" / "run.h5")["eval"]
    return np.stack([table["loss"], table["top1"]])


@pytest.mark.parametrize("nudge", ["cotangent", "loss"])
def test_they_are_those_of_torch(tmp_path: Path, nudge: str) -> None:
    """Without dropout and augmentation both mean the same batches."""
    text = PLAIN.replace("estimator=centered", f"estimator=centered, nudge={nudge}")
    text = text.replace("b1 |> linear(width)", "b1 |> linear(width) |> batch_norm1d()")
    session = new_session(tmp_path, {"data.drop_last": "true"}, text=text)
    train(session, controls(max_steps=3))
    network, data, batches = session.job.network, session.job.data.train, session.batches()
    assert [len(rows) for rows in batches] == [8, 8, 8]
    estimate_statistics(network, data, batches)
    found = statistics(session)
    update_bn((data.batch(rows)[0][0] for rows in batches), network)
    torch.testing.assert_close(found, statistics(session))


def test_nothing_else_changes(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    network = session.job.network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    (norm,) = (module for module in network.modules() if isinstance(module, nn.BatchNorm1d))
    state, momentum = torch.get_rng_state(), norm.momentum
    estimate_statistics(network, session.job.data.train, session.batches())
    moved = {name for name, t in network.state_dict().items() if not torch.equal(t, before[name])}
    assert moved == statistics(session).keys()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in network.modules())
    assert norm.momentum == momentum


def test_an_evaluation_does_not_depend_on_momentum(tmp_path: Path) -> None:
    found = []
    for momentum in ("0", "0.9"):
        folder = tmp_path / momentum
        folder.mkdir()
        text = SPEC.replace("batch_norm1d()", f"batch_norm1d(momentum={momentum})")
        train(new_session(folder, text=text), controls())
        found.append(evaluations(folder))
    assert np.array_equal(*found)


@pytest.mark.parametrize("steps", [-1, 8, 6])
@pytest.mark.parametrize("which", ["last", "best"])
def test_a_checkpoint_evaluates_as_the_record_says(tmp_path: Path, which: str, steps: int) -> None:
    """At the end of a run, of an epoch, and where ``--max-steps`` ended it within one."""
    session = new_session(tmp_path)
    train(session, controls(max_steps=steps))
    found = evaluate_run(tmp_path / "run", which, Options(data_dir=tmp_path), None, pytest.fail)
    table = read(tmp_path / "run" / "run.h5")["eval"]
    at = table["step"].tolist().index(found.chosen.step)
    assert (found.result.loss, found.result.top1) == (table["loss"][at], table["top1"][at])


def test_they_are_taken_over_enough_samples_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    forward = HybridNetwork.forward

    def counted(network: HybridNetwork, x: Tensor, *rest: object, **more: object) -> object:
        calls.append(len(x))
        return forward(network, x, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(HybridNetwork, "forward", counted)
    monkeypatch.setattr(batch_statistics, "SAMPLES", 12)
    for name, text, expected in (("with", SPEC, [8, 8]), ("without", WITHOUT, [])):
        (tmp_path / name).mkdir()
        session = new_session(tmp_path / name, text=text)
        estimate_statistics(session.job.network, session.job.data.train, session.batches())
        assert calls == expected
        calls.clear()


@pytest.mark.parametrize(
    ("norm", "swept"),
    [
        ("", {"b1": False, "b2": False}),
        ("b1 |> linear(width)", {"b1": True, "b2": False}),
        ("b2 |> linear(6)", {"b1": True, "b2": True}),
    ],
)
def test_blocks_behind_the_last_batch_norm_do_not_relax(
    tmp_path: Path, norm: str, swept: dict[str, bool]
) -> None:
    text = SPEC.replace(norm, f"{norm} |> batch_norm1d()") if norm else SPEC
    session = new_session(tmp_path, text=text)
    network = session.job.network
    estimate_statistics(network, session.job.data.train, session.batches())
    assert {report.block: bool(report.sweeps.any()) for report in network.phases()} == swept


def test_a_batch_that_is_not_finite_does_not_count(tmp_path: Path) -> None:
    """As a training goes on without it, so do the statistics."""
    session = new_session(tmp_path, {"data.drop_last": "true"})
    network, data, (bad, *good) = session.job.network, session.job.data.train, session.batches()
    data = replace(data, inputs=(data.inputs[0].astype(np.float64),))
    estimate_statistics(network, data, good)
    expected = statistics(session)
    data.inputs[0][bad] = np.inf
    for order in ([bad, *good], [good[0], bad, good[1]], [*good, bad]):
        estimate_statistics(network, data, order)
        torch.testing.assert_close(statistics(session), expected, rtol=0, atol=0)
