"""The parts of a record that describe the run and its processes."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike

from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.ir.tools.dump import leaves, to_json_dict
from ffebm_dsl.running.records import EVENTS, PROVENANCE, SEGMENTS, TRAIN, Record, utc_now
from ffebm_dsl.running.training import keyed
from ffebm_dsl.running.training.data import Data
from ffebm_dsl.running.training.environment import environment, packages
from ffebm_dsl.running.training.job import Job
from ffebm_dsl.running.training.measures import trainable

JUDGED_BY = "judged by"
"""The attribute ``test_set`` of a run whose evaluations in training were on the test set."""


def new_record(job: Job, source: SourceFile, run_id: str, processes: int = 1) -> Record:
    """A record with provenance and its first segment, and no steps yet."""
    record = Record(
        {
            "run_id": run_id,
            "title": job.spec.model.name,
            "start_time": utc_now(),
            "end_time": "",
            "status": "running",
            "evaluated_on": job.data.judged_on,
            "test_set": _test_set(job.data),
        }
    )
    describe(record, job, source)
    for group in (TRAIN, EVENTS, SEGMENTS):
        record.add(group)
    add_segment(record, job, start_step=0, exact=True, processes=processes)
    return record


def describe(record: Record, job: Job, source: SourceFile) -> None:
    """Record the spec, settings and data."""
    record.add(
        PROVENANCE,
        {
            **origin(job.spec, source, _overrides(job), job.device),
            "seed": job.identity.seed,
            "dtype": job.identity.dtype,
            "device": job.settings.device,
            "threads": job.settings.threads,
            "dataset_name": job.data.name,
            "dataset_file": list(job.data.files),
            "dataset_sha256": job.data.sha256,
            "train_samples": job.identity.data["train_samples"],
            "test_samples": job.identity.data["test_samples"],
            "parameter_count": sum(p.numel() for p in trainable(job.network).values()),
        },
    )


def origin(
    spec: SpecIR, source: SourceFile, overrides: Sequence[str], device: torch.device
) -> dict[str, ArrayLike]:
    """What a record says of its spec, and of the software and the machine at work."""
    return {
        "spec_name": Path(source.name).name,
        "spec_text": source.text,
        "spec_sha256": hashlib.sha256(source.text.encode()).hexdigest(),
        "spec_resolved": json.dumps(to_json_dict(spec)),
        "override": list(overrides),
        "argv": sys.argv,
        "package": packages() + [f"{p.name}=={p.version}" for p in spec.packages],
        "environment": json.dumps(environment(device)),
        "rng_scheme": keyed.SCHEME,
    }


def _test_set(data: Data) -> str:
    """The description of the test set before training."""
    if data.test is None:
        return "none"
    return "unread" if data.validation is not None else JUDGED_BY


def is_described(record: Record, job: Job) -> bool:
    """Whether the record's description of spec, settings and data agrees with ``job``."""
    table, identity = record["provenance"], job.identity
    return (
        table["spec_sha256"][()] == identity.spec_sha256
        and table["override"].tolist() == _overrides(job)
        and table["dataset_sha256"][()] == job.data.sha256
    )


def changed_defaults(record: Record, job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """Defaults that have changed since the run, as filled in then and as filled in now.

    The record must describe ``job``. Settings that only one of the two versions has are ignored:
    their defaults have no effect.

    Raises:
        InputError: the record's spec was changed.
    """
    try:
        was = leaves(json.loads(str(record["provenance"]["spec_resolved"][()])))
    except (ValueError, RecursionError):
        raise InputError(
            "the record's spec is not one that was trained", help="put the right record back"
        ) from None
    now = leaves(json.loads(json.dumps(to_json_dict(job.spec))))
    keys = [key for key in was if key in now and was[key] != now[key]]
    return {key: was[key] for key in keys}, {key: now[key] for key in keys}


def _overrides(job: Job) -> list[str]:
    return [f"{key}={value}" for key, value in job.identity.overrides.items()]


def add_segment(record: Record, job: Job, *, start_step: int, exact: bool, processes: int) -> None:
    """Record that one process or several begin to work on the run."""
    segments = record["segments"]
    segments.append(
        {
            "segment": len(segments),
            "start_step": start_step,
            "start_time": utc_now(),
            "exact": exact,
            "environment": json.dumps({**environment(job.device), "processes": processes}),
        }
    )


def last_processes(record: Record) -> int:
    """The number of processes that last worked on the run."""
    environment_then: dict[str, int] = json.loads(record["segments"]["environment"][-1])
    return environment_then["processes"]
