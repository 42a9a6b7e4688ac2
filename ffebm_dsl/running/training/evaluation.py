"""Evaluation of a network on a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ffebm_dsl.physics.network import HybridNetwork, Inputs, Outcome
from ffebm_dsl.physics.network.whole_batch import share
from ffebm_dsl.running.training import keyed
from ffebm_dsl.running.training.data import Dataset
from ffebm_dsl.running.training.environment import seed_generators
from ffebm_dsl.running.training.world import ALONE, World

TOP = 5


@dataclass(frozen=True)
class Evaluation:
    """Means over a data set.

    Attributes:
        on: the set, ``validation`` or ``test``.
        samples: number of samples.
        loss: mean loss.
        top1: fraction of samples whose label has the largest output; NaN for vector targets.
        top5: fraction whose label is among the five largest; NaN with fewer classes than five.
        sweeps: mean sweeps of each block's free phase.
        quantities: means of the quantities measured by the blocks' energies, by ``block.name``.
    """

    on: str
    samples: int
    loss: float
    top1: float
    top5: float
    sweeps: dict[str, float]
    quantities: dict[str, float]


def never() -> bool:
    """The default of ``cancelled``: always False."""
    return False


def evaluate(
    network: HybridNetwork,
    data: Dataset,
    batch: int,
    *,
    cancelled: Callable[[], bool] = never,
    world: World = ALONE,
) -> Evaluation | None:
    """Evaluate on every sample of ``data``; None if ``cancelled`` returned True between batches.

    The processes of ``world`` share each batch, and all get the result. The network is in
    evaluation mode meanwhile; its mode and buffers and torch's generator are restored. Noise of a
    free phase acts as in training, and is the same in every evaluation.
    """
    was_training = network.training
    network.eval()
    measured = [f"{b.name}.{name}" for b in network.blocks for name in b.core.energy.quantities]
    blocks = [b.name for b in network.blocks]
    totals = dict.fromkeys(["loss", "top1", "top5", *blocks, *measured], 0.0)
    device = next(network.parameters()).device
    try:
        with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            for start in range(0, len(data), batch):
                if cancelled():
                    return None
                part = world.part(min(batch, len(data) - start))
                if not part.count:
                    continue
                seed_generators(keyed.evaluation_seed(start), device)
                share(network, part)
                first = start + part.first
                inputs, y = data.batch(data.rows[first : first + part.count])
                for name, value in _sums(network, inputs, y).items():
                    totals[name] += value
    finally:
        network.train(was_training)
        share(network, None)
    sums = world.all_reduce_values(list(totals.values()))
    means = {name: value / len(data) for name, value in zip(totals, sums, strict=True)}
    loss, top1, top5 = (means.pop(name) for name in ("loss", "top1", "top5"))
    quantities = {name: means.pop(name) for name in measured}
    return Evaluation(data.name, len(data), loss, top1, top5, means, quantities)


def _sums(network: HybridNetwork, inputs: Inputs, y: Tensor) -> dict[str, float]:
    """Sums over a batch: loss, hits, and for each block sweeps of the free phase and quantities."""
    outcome = network(*inputs, y, settings=network.settings(measure=True))
    assert isinstance(outcome, Outcome)
    sums = {
        "loss": outcome.per_sample.double().sum(),
        "top1": hits(outcome.logits, y),
        "top5": hits(outcome.logits, y, TOP),
    }
    for report in network.phases():
        if report.phase == "free":
            sums[report.block] = report.sweeps.sum()
            for name, values in report.quantities.items():
                sums[f"{report.block}.{name}"] = values.double().sum()
    found = torch.stack([value.double() for value in sums.values()]).tolist()
    return dict(zip(sums, found, strict=True))


def hits(logits: Tensor, y: Tensor, top: int = 1) -> Tensor:
    """The number of labels (B,) among the ``top`` largest of logits (B, K), 0-dim.

    NaN if it is undefined: targets (B, ...), or fewer than ``top`` classes.
    """
    flat = logits.flatten(1)
    if y.dim() != 1 or flat.shape[1] < top:
        return logits.new_tensor(torch.nan, dtype=torch.float64)
    if top == 1:
        return (flat.argmax(1) == y).sum()
    return (flat.topk(top, dim=1).indices == y[:, None]).sum()
