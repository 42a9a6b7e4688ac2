"""The contents of a run directory: whether every file is good, and where the run would resume."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from ffebm_dsl.language.diagnostics import InputError


def inspect(run: Path) -> dict[str, Any]:
    """Faults of a run directory, the steps of its record and checkpoints, and their bits.

    The record is opened with plain h5py first, as any user's program would.
    """
    import h5py

    from ffebm_dsl.running.records import read
    from ffebm_dsl.running.training import checkpoint as checkpoints

    faults: list[str] = []
    found: dict[str, Any] = {"faults": faults, "recorded": -1, "checkpoints": [], "bits": ""}
    try:
        with h5py.File(run / "run.h5", "r") as file:
            file.visititems(lambda name, node: node[()] if hasattr(node, "shape") else None)
            steps = file["run/train/step"][()]
        found["recorded"] = int(steps[-1]) if len(steps) else 0
        record = read(run / "run.h5")
    except (InputError, OSError, KeyError, RuntimeError) as error:
        return found | {"faults": [f"run.h5: {error}"]}
    for step in checkpoints.steps(run / "ckpt"):
        try:
            checkpoint = checkpoints.load(checkpoints.path_of(run / "ckpt", step))
        except InputError as error:
            faults.append(error.message)
            continue
        found["checkpoints"].append(step)
        if len(found["checkpoints"]) == 1:
            found["bits"] = bits(checkpoint, record)
    if found["checkpoints"] and found["recorded"] < found["checkpoints"][0]:
        faults.append("the record ends before the newest checkpoint")
    return found


def bits(checkpoint: Any, record: Any) -> str:
    """A digest of everything that training computed: the checkpoint's state, the record's rows.

    Times, events and segments are left out: they tell of the interruptions.
    """
    total = hashlib.sha256()
    for tensors in (checkpoint.network, *checkpoint.optimizer.values()):
        for name, tensor in sorted(tensors.items()):
            total.update(name.encode() + tensor.numpy().tobytes())
    position, best = checkpoint.position, checkpoint.best
    place = (position.epoch, position.step_in_epoch, position.step, position.evaluated)
    total.update(repr((place, best.step, best.score)).encode())
    for name, table in sorted(record.tables.items()):
        if name in ("train", "eval", "relaxation", "gradients"):
            for field in table.group.fields:
                if field.name != "wall_time":
                    values = table[field.name]
                    text = values.dtype == object
                    content = repr(values.tolist()).encode() if text else values.tobytes()
                    total.update(f"{name}/{field.name}{values.shape}".encode() + content)
    return total.hexdigest()


def read_damaged(path: Path, digest: str) -> dict[str, Any]:
    """How reading a damaged file ends: "refused", "equal", or "wrong" where nobody noticed."""
    from ffebm_dsl.running.records import read
    from ffebm_dsl.running.training import checkpoint as checkpoints

    os.environ.pop("FFEBM_DEBUG", None)
    try:
        if path.suffix == ".h5":
            found = record_digest(read(path))
        else:
            found = checkpoint_digest(checkpoints.load(path))
    except InputError as error:
        return {"outcome": "refused", "message": error.message}
    return {"outcome": "equal" if found == digest else "wrong", "message": ""}


def record_digest(record: Any) -> str:
    """A digest of all that a record says."""
    total = hashlib.sha256(repr(sorted(record.attributes.items())).encode())
    for name, table in sorted(record.tables.items()):
        for field in table.group.fields:
            values = np.asarray(table[field.name])
            total.update(f"{name}/{field.name}{values.shape}{values.tolist()!r}".encode())
    return total.hexdigest()


def checkpoint_digest(checkpoint: Any) -> str:
    """A digest of all that a checkpoint says."""
    rest = (checkpoint.position, checkpoint.best, checkpoint.identity, checkpoint.settings)
    total = hashlib.sha256(repr((rest, checkpoint.run_id, checkpoint.spec_text)).encode())
    for tensors in (checkpoint.network, *checkpoint.optimizer.values()):
        for name, tensor in sorted(tensors.items()):
            total.update(f"{name}{tuple(tensor.shape)}".encode() + tensor.numpy().tobytes())
    return total.hexdigest()
