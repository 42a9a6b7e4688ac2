"""A small record with a row in every table."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ffebm_dsl.records import (
    BAD_STEPS,
    EVAL,
    EVENTS,
    GRADIENTS,
    PROVENANCE,
    RELAXATION,
    SEGMENTS,
    TRAIN,
    TRANSIENTS,
    Group,
    Record,
)

SPEC = "ffe 1.0\n# Überprüfung\n"


def sample_record(steps: int) -> Record:
    record = Record(
        {
            "run_id": "r",
            "title": "m",
            "start_time": "2026-01-01T00:00:00Z",
            "end_time": "",
            "status": "running",
        }
    )
    record.add(PROVENANCE, provenance())
    record.add(TRAIN)
    record.add(EVAL, {"block": ["b1"]})
    record.add(
        RELAXATION,
        {"solve": ["b1.free", "b1.nudged"], "block": ["b1"] * 2, "phase": ["free", "nudged"]},
    )
    record.add(GRADIENTS, {"parameter": ["b1.u.weight", "b1.u.bias", "readout.weight"]})
    record.add(BAD_STEPS)
    record.add(TRANSIENTS, transients())
    record.add(EVENTS)
    record.add(SEGMENTS)
    for step in range(1, steps + 1):
        record["train"].append(train_row(step))
        record["relaxation"].append(row(RELAXATION, step, [step, 2 * step]))
        record["gradients"].append(row(GRADIENTS, step, [0.5, step, 1.0]))
        if step % 5 == 0:
            record["eval"].append({**row(EVAL, step, step / 7), "sweeps": [step]})
    record["bad_steps"].append(
        {column.name: "é" if column.dtype == "str" else steps for column in BAD_STEPS.columns}
    )
    record["events"].append(
        {"event": 0, "step": 0, "time": "2026-01-01T00:00:00Z", "kind": "start", "message": "é"}
    )
    record["segments"].append(
        {"segment": 0, "start_step": 0, "start_time": "t", "exact": 1, "environment": "{}"}
    )
    return record


def row(group: Group, step: int, value: Any) -> dict[str, Any]:
    return {c.name: step if c.name == "step" else value for c in group.columns}


def train_row(step: int) -> dict[str, Any]:
    return row(TRAIN, step, step / 3)


def provenance() -> dict[str, Any]:
    values: dict[str, Any] = {
        field.name: (["a=1", "b=2"] if field.dims else "x") if field.dtype == "str" else 3
        for field in PROVENANCE.fields
    }
    values["spec_text"] = SPEC
    values["spec_sha256"] = hashlib.sha256(SPEC.encode()).hexdigest()
    return values


def transients() -> dict[str, Any]:
    """Three sweeps, two parameters in one block, four entries of each."""
    sizes = {"sweep": 3, "parameter": 2, "entry": 4, "block": 1}
    names = {"parameter": ["b1.u.weight", "b1.s1_s2.weight"], "block": ["b1"]}
    names |= {"parameter_block": ["b1", "b1"], "parameter_shape": ["2 x 2", "4 x 4"]}
    values: dict[str, Any] = {
        field.name: np.ones([sizes[dim] for dim in field.dims]) for field in TRANSIENTS.fields
    }
    return values | names
