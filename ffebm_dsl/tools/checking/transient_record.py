"""The static gradient analysis of a spec: its batch, and its record."""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import AnyPath, InputError
from ffebm_dsl.language.ir import Compiled
from ffebm_dsl.physics.network import Inputs
from ffebm_dsl.running.records import (
    EVENTS,
    PROVENANCE,
    SEGMENTS,
    TRAIN,
    TRANSIENTS,
    Record,
    utc_now,
)
from ffebm_dsl.running.training import keyed
from ffebm_dsl.running.training.data import data_of
from ffebm_dsl.running.training.environment import choose_dtype, environment
from ffebm_dsl.running.training.measures import trainable
from ffebm_dsl.running.training.provenance import origin
from ffebm_dsl.tools.checking.problem import random_batch, train_without_dropout
from ffebm_dsl.tools.checking.transient_check import Progress, TransientSettings, transients
from ffebm_dsl.tools.checking.transient_table import Transients

CPU = torch.device("cpu")
RANDOM = "random"
"""Name of the data set where inputs are drawn instead of read."""


@dataclass(frozen=True)
class DrawnBatch:
    """The samples that are analysed, and their origin.

    ``inputs`` are (B, *shape) each, ``target`` labels (B,) or vectors (B, K); ``sha256`` and
    ``samples`` are those of the training set, empty and 0 for random inputs.
    """

    inputs: Inputs
    target: Tensor
    name: str = RANDOM
    files: tuple[str, ...] = ()
    sha256: str = ""
    samples: int = 0


@dataclass(frozen=True)
class TransientAnalysis:
    """An analysis of a spec: its settings, its batch, its results."""

    compiled: Compiled
    overrides: tuple[str, ...]
    seed: int
    dtype: str
    batch: DrawnBatch
    found: Transients
    parameter_count: int


def draw_batch(
    compiled: Compiled, data_dir: AnyPath | None, *, samples: int, seed: int, dtype: str
) -> DrawnBatch:
    """The batch to analyse: random, or with a data directory the spec's own data.

    Of data the samples are those that the first epoch of training begins with under this
    seed, without augmentation.

    Raises:
        InputError: no train section to name a data set, data that are missing or damaged, or
            fewer samples than asked for.
    """
    spec, precision = compiled.spec, choose_dtype(dtype)
    if data_dir is None:
        drawn, target = random_batch(spec, samples, seed)
        if target.is_floating_point():
            target = target.to(precision)
        return DrawnBatch(tuple(x.to(precision) for x in drawn), target)
    data = data_of(compiled, data_dir, CPU, precision)
    size = len(data.train)
    if samples > size:
        raise InputError(
            f"--samples {samples}: {data.name} has {size} training samples", help="ask for fewer"
        )
    inputs, target = data.train.batch(keyed.permutation(seed, keyed.FIRST_EPOCH, size)[:samples])
    return DrawnBatch(inputs, target, data.name, data.files, data.sha256, size)


def analyse(
    compiled: Compiled,
    overrides: tuple[str, ...],
    batch: DrawnBatch,
    dtype: str,
    settings: TransientSettings,
    progress: Progress,
) -> TransientAnalysis:
    """Build the network with weights of the settings' seed, and compare its gradients."""
    network = build(compiled.spec, seed=settings.seed, dtype=choose_dtype(dtype))
    train_without_dropout(network)
    found = transients(network, batch.inputs, batch.target, settings, progress)
    count = sum(p.numel() for p in trainable(network).values())
    return TransientAnalysis(compiled, overrides, settings.seed, dtype, batch, found, count)


def record_of(analysis: TransientAnalysis, run_id: str, start_time: str) -> Record:
    """The analysis as a record: provenance, no training step, and ``/run/transients``."""
    now = utc_now()
    record = Record(
        {
            "run_id": run_id,
            "title": analysis.compiled.spec.model.name,
            "start_time": start_time,
            "end_time": now,
            "status": "finished",
        }
    )
    record.add(PROVENANCE, _provenance(analysis))
    for group in (TRAIN, EVENTS, SEGMENTS):
        record.add(group)
    for number, (kind, time) in enumerate((("start", start_time), ("finish", now))):
        message = "static gradient analysis"
        record["events"].append(
            {"event": number, "step": 0, "time": time, "kind": kind, "message": message}
        )
    record["segments"].append(
        {
            "segment": 0,
            "start_step": 0,
            "start_time": start_time,
            "exact": 1,
            "environment": json.dumps(environment(CPU)),
        }
    )
    _add_transients(record, analysis.found)
    return record


def _provenance(analysis: TransientAnalysis) -> dict[str, ArrayLike]:
    compiled, batch = analysis.compiled, analysis.batch
    return {
        **origin(compiled.spec, compiled.source, analysis.overrides, CPU),
        "seed": analysis.seed,
        "dtype": analysis.dtype,
        "device": str(CPU),
        "threads": torch.get_num_threads(),
        "dataset_name": batch.name,
        "dataset_file": list(batch.files),
        "dataset_sha256": batch.sha256,
        "train_samples": batch.samples,
        "test_samples": 0,
        "parameter_count": analysis.parameter_count,
    }


def _add_transients(record: Record, found: Transients) -> None:
    columns = {
        name: [getattr(block, name) for block in found.blocks]
        for name in ("beta", "sweeps", "free_residual", "diverged", "crossings", "mirrored")
    }
    record.add(
        TRANSIENTS,
        {
            "sweep": range(len(found.values)),
            "parameter": found.parameters,
            "parameter_block": found.owners,
            "parameter_shape": [" x ".join(map(str, shape)) for shape in found.shapes],
            **found.measures,
            "entry": range(found.entries.shape[1]),
            "entry_index": found.entries,
            "value": found.values,
            "value_unrolled": found.values_unrolled,
            "block": [block.name for block in found.blocks],
            **columns,
        },
    )
