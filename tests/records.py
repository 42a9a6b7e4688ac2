"""Records without a run: of a training, of an analysis, and with all optional parts."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from ffebm_dsl.running.records import (
    AMPLIFICATION,
    BAD_STEPS,
    EVAL,
    EVENTS,
    GRADIENTS,
    LOSSES,
    PROVENANCE,
    QUANTITIES,
    RELAXATION,
    SEGMENTS,
    TEST,
    TRAIN,
    TRANSIENTS,
    Group,
    Record,
)
from ffebm_dsl.tools.report import Run

BLOCKS = ["b1", "b2"]
SOLVES = [f"{block}.{phase}" for block in BLOCKS for phase in ("free", "nudged")]
PARAMETERS = ["b1.u.conv2d.weight", "b1.s1_s2.conv2d.bias", "readout.linear.weight"]
SPEC = "ffe 1.0\n# Überprüfung\n"


def whole_record(steps: int) -> Record:
    """A row in every table, and texts that are not ASCII."""
    found = trained("r", steps=steps).record
    found.add(TRANSIENTS, transients(2))
    found.add(LOSSES, {"term": ["é(logits, y)", "mse(aux, y)"], "weight": [1.0, 0.3]})
    found.add(QUANTITIES, {"quantity": ["b1.dissipated_power", "b1.kirchhoff_residual"]})
    found["quantities"].append(row(QUANTITIES, step=steps, mean=[12.5, 1e-6]))
    for step in range(1, steps + 1):
        found["losses"].append(row(LOSSES, step=step, loss=[1 / step, 2 / step]))
    found.add(AMPLIFICATION, {"block": BLOCKS})
    found["amplification"].append(
        row(AMPLIFICATION, step=steps, states=[1.5, 2], gradients=[3.5, 1e9])
    )
    found.add(TEST)
    found["test"].append(row(TEST, step=steps, weights=steps, samples=10, loss=0.5))
    add_bad_step(found, step=steps, kind="é", value=1.5)
    found["events"].append(row(EVENTS, event=1, kind="warning", message="é"))
    return found


def trained(
    name: str = "run-1", seed: int = 0, top1: float = 0.9, steps: int = 20, **spec: Any
) -> Run:
    """A run of 20 steps of 10 samples, two evaluations and two diagnostics."""
    found = bare_record(name, resolved(seed, **spec), seed)
    found.add(EVAL, {"block": BLOCKS})
    pairs = [solve.split(".") for solve in SOLVES]
    columns = {"block": [block for block, _ in pairs], "phase": [phase for _, phase in pairs]}
    found.add(RELAXATION, {"solve": SOLVES, **columns})
    found.add(GRADIENTS, {"parameter": PARAMETERS})
    for step in range(1, steps + 1):
        found["train"].append(train_row(step))
        ends = {"converged": [9, 10] * 2, "exhausted": [1, 0] * 2}
        relaxed = {"residual_max": [1e-3 / step] * 4, **ends}
        found["relaxation"].append(row(RELAXATION, step=step, **relaxed))
        if step % 10 == 0:
            measured = {"top1": top1 * step / steps, "top5": np.nan, "wall_time": 0.5 * step}
            found["eval"].append(row(EVAL, step=step, loss=1 / step, sweeps=[5, 6], **measured))
            cosines = {"cosine": [0.999, np.nan, 1.0], "relative_error": [0.01, 0.0, 1e-9]}
            found["gradients"].append(row(GRADIENTS, step=step, norm=[1, 0, 2], **cosines))
    found["events"].append(row(EVENTS, event=0, time="t", kind="start", message="begun"))
    return Run(name, found)


def analysed(name: str = "analysis", sweeps: int = 4) -> Run:
    """Three parameters of one block over some sweeps."""
    found = bare_record(name, resolved())
    found.add(TRANSIENTS, transients(sweeps))
    return Run(name, found)


def bare_record(name: str, spec: dict[str, Any] | str, seed: int = 0) -> Record:
    """Provenance and nothing else."""
    values: dict[str, Any] = {
        field.name: (["a=1", "b=2"] if field.dims else "x") if field.dtype == "str" else 1
        for field in PROVENANCE.fields
    }
    values |= {
        "spec_text": SPEC,
        "spec_sha256": hashlib.sha256(SPEC.encode()).hexdigest(),
        "spec_resolved": spec if isinstance(spec, str) else json.dumps(spec),
        "seed": seed,
        "train_samples": 100,
        "environment": json.dumps({"python": "3.13"}),
    }
    times = {"start_time": "2026-01-01T00:00:00Z", "end_time": ""}
    times |= {"evaluated_on": "test", "test_set": "judged by"}
    found = Record({"run_id": name, "title": "m", "status": "finished", **times})
    found.add(PROVENANCE, values)
    for group in (TRAIN, EVENTS, SEGMENTS):
        found.add(group)
    found["segments"].append(row(SEGMENTS, segment=0, start_time="t", environment="{}", exact=1))
    return found


def resolved(
    seed: int = 0, beta: float = 0.2, layers: tuple[int, ...] = (2, 2), lr: float = 1e-3
) -> dict[str, Any]:
    gradient = {"name": "ep", "arguments": {"beta": beta, "estimator": "centered"}}
    stages = [
        {"kind": "block", "name": f"b{k}", "layers": [{}] * count, "gradient": gradient}
        for k, count in enumerate(layers, 1)
    ]
    data, optimizer = (
        {"name": name, "arguments": arguments}
        for name, arguments in (("digits", {}), ("adam", {"lr": lr}))
    )
    train = {"data": data, "optimizer": optimizer, "epochs": 2, "seed": seed}
    return {"model": {"name": "m", "stages": stages}, "train": train}


def add_bad_step(record: Record, **known: Any) -> None:
    """A row of the table of bad steps, which is made with the first one."""
    if BAD_STEPS.name not in record.tables:
        record.add(BAD_STEPS)
    record[BAD_STEPS.name].append(row(BAD_STEPS, **{"sample": -1, "index": -1, **known}))


def train_row(step: int) -> dict[str, Any]:
    measured = {"loss": 2 / step, "accuracy": 0.5, "batch_size": 10, "wall_time": 0.5 * step}
    return row(TRAIN, step=step, epoch=(step - 1) // 10 + 1, **measured)


def transients(sweeps: int) -> dict[str, Any]:
    """Values of the group: entries that grow with the sweeps, EP's by a hundredth more."""
    t = np.arange(sweeps + 1.0)[:, None] * np.ones(3)
    followed = np.stack([t, -t], 2) * 1e-3
    return {
        "sweep": range(sweeps + 1),
        "parameter": PARAMETERS,
        "parameter_block": ["b1"] * 3,
        "parameter_shape": ["4 x 1 x 3 x 3", "4", "10 x 4"],
        "norm": t,
        "norm_unrolled": t,
        "cosine": np.where(t > 0, 0.9995, np.nan),
        "relative_error": np.where(t > 0, 0.01, np.nan),
        "entry": range(2),
        "entry_index": [[0, 7], [1, -1], [2, 3]],
        "value": 1.01 * followed,
        "value_unrolled": followed,
        "block": ["b1"],
        "beta": [0.02],
        "sweeps": [sweeps],
        "free_residual": [1e-6],
        "diverged": [0],
        "crossings": [3],
        "mirrored": [1],
    }


def row(group: Group, **known: Any) -> dict[str, Any]:
    """A row of a group: what is known, and zeros of the right shape."""
    widths = {"block": len(BLOCKS), "solve": len(SOLVES), "parameter": len(PARAMETERS)}
    widths |= {"term": 2, "quantity": 2}
    blank = {
        field.name: "" if field.dtype == "str" else np.zeros([widths[d] for d in field.dims[1:]])
        for field in group.columns
    }
    return blank | known
