"""Batch-norm statistics of the current weights, for evaluations.

The running statistics of training move by ``momentum`` once per step and lag behind the weights.
They are therefore estimated again over some batches (Wu and Johnson, arXiv 2105.07576, section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.modules.batchnorm import _BatchNorm

from ffebm_dsl.physics.network import BlockSettings, HybridBlock, HybridNetwork
from ffebm_dsl.physics.network.whole_batch import share
from ffebm_dsl.running.training import keyed
from ffebm_dsl.running.training.data import Dataset
from ffebm_dsl.running.training.environment import seed_generators
from ffebm_dsl.running.training.evaluation import never
from ffebm_dsl.running.training.world import ALONE, World

SAMPLES = 512
"""Number of training samples for means and variances, in batches as in training."""


def estimate_statistics(
    network: HybridNetwork,
    data: Dataset,
    batches: Sequence[NDArray[np.int64]],
    *,
    cancelled: Callable[[], bool] = never,
    world: World = ALONE,
) -> None:
    """Set the running statistics of every batch norm to means over the first ``batches``.

    Otherwise as in an evaluation: no augmentation, no dropout, fixed converter ranges of devices.
    Training steps do not use these statistics, so a run may be stopped, and they may be estimated,
    at any time. Batches with results that are not finite are ignored.

    Args:
        network: its mode is restored.
        data: the training set.
        batches: indices into its arrays, as in training.
        cancelled: called before every batch; if true, the means are over the batches so far.
        world: the processes that share each batch.
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    was_training, momenta = network.training, [norm.momentum for norm in norms]
    settings = _settings(network, norms)
    network.eval()
    device, seen = next(network.parameters()).device, 0
    try:
        with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            for indices in batches:
                if seen >= SAMPLES or cancelled():
                    break
                part = world.part(len(indices))
                share(network, part)
                seed_generators(keyed.evaluation_seed(seen), device)
                for norm in norms:
                    norm.train()
                    norm.momentum = len(indices) / (seen + len(indices))
                rows = indices[part.first : part.first + part.count]
                # A process without a sample of its own takes one anyway, as in training.
                inputs, y = data.batch(rows if len(rows) else indices[:1])
                forward = partial(network, *inputs, y, settings=settings)
                seen += len(indices) if _moved(forward, norms) else 0
    finally:
        network.train(was_training)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        share(network, None)


def _settings(network: HybridNetwork, norms: Sequence[_BatchNorm]) -> dict[str, BlockSettings]:
    """Settings of the blocks, without sweeps where no batch norm depends on the result."""
    settings = network.settings()
    behind = [m for readout in network.readouts() for m in readout.modules()]
    for stage in reversed(list(network.stages)):
        if any(norm in behind for norm in norms):
            break
        if isinstance(stage, HybridBlock):
            own = settings[stage.name]
            settings[stage.name] = replace(own, free=replace(own.free, sweeps=0))
        behind = list(stage.modules())
    return settings


def _moved(forward: Callable[[], object], norms: Sequence[_BatchNorm]) -> bool:
    """Move the statistics towards those of a batch; False if they would not be finite."""
    before = [{name: buffer.clone() for name, buffer in norm.named_buffers()} for norm in norms]
    forward()
    after = [buffer for norm in norms for buffer in norm.buffers()]
    finite = all(bool(buffer.isfinite().all()) for buffer in after)
    for norm, kept in zip(norms, before, strict=True):
        for name, buffer in norm.named_buffers():
            # The count of training batches is not changed.
            if not finite or name == "num_batches_tracked":
                buffer.copy_(kept[name])
    return finite
