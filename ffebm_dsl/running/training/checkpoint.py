"""What a checkpoint holds, and the files that hold it.

``ckpt/step-00000042.pt`` holds one, ``ckpt/step-00000042.pt.sha256`` its checksum in the
form of sha256sum. The checksum is written first: a checkpoint that is there can be verified.
``stored`` turns one into plain values and back.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.storage import publish, read_bounded, storing
from ffebm_dsl.running.training.state import Checkpoint, from_bytes, to_bytes

MAX_BYTES = 1 << 36
"""No checkpoint of a network that trains on one machine comes near."""

MAX_SIDECAR_BYTES = 1 << 12

_NAME = re.compile(r"step-(\d{8,18})\.pt")

Warn = Callable[[str], None]


def path_of(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}.pt"


def save(folder: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Write a checkpoint, then delete those that are neither the best nor the ``keep`` newest.

    Raises:
        StorageError: it could not be written; the earlier ones are untouched.
    """
    content = to_bytes(checkpoint)
    step = checkpoint.position.step
    path = path_of(folder, step)
    digest = hashlib.sha256(content).hexdigest()
    # A run stopped while evaluating comes back to the same step and writes it again. Until
    # the rename the old file stands, so its checksum stays beside the new one.
    digests = [*_digests(path)[-1:], digest]
    lines = "".join(f"{entry}  {path.name}\n" for entry in dict.fromkeys(digests))
    publish(_sidecar(path), lines.encode())
    publish(path, content)
    _prune(folder, step, keep, checkpoint.best.step)
    return path


def steps(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder, newest first."""
    matches = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted((int(match[1]) for match in matches if match), reverse=True)


def newest(folder: Path, warn: Warn) -> tuple[Path, Checkpoint]:
    """The newest checkpoint that verifies; ``warn`` hears of each that does not.

    Raises:
        InputError: none does.
    """
    for step in steps(folder):
        path = path_of(folder, step)
        try:
            return path, load(path)
        except InputError as error:
            warn(f"{error.message}; trying the checkpoint before it")
    raise InputError(f"{folder} holds no checkpoint that verifies", help="start a new run")


def load(path: Path) -> Checkpoint:
    """Read a checkpoint after verifying its checksum.

    Raises:
        InputError: absent, without a checksum, damaged, or of another format.
    """
    try:
        content = read_bounded(path, MAX_BYTES)
    except InputError as error:
        raise InputError(f"checkpoint {error.message}") from error
    known = _digests(path)
    if not known:
        raise InputError(
            f"checkpoint {path} has no checksum in {_sidecar(path).name}",
            help="checkpoints are used only with the checksum that `ffebm train` wrote",
        )
    if hashlib.sha256(content).hexdigest() not in known:
        raise InputError(
            f"checkpoint {path} does not fit its checksum", help="use another checkpoint"
        )
    return from_bytes(content, path)


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digests(path: Path) -> list[str]:
    try:
        text = read_bounded(_sidecar(path), MAX_SIDECAR_BYTES)
    except InputError:
        return []
    line = re.compile(rf"([0-9a-f]{{64}})  {re.escape(path.name)}")
    *rows, rest = text.decode("ascii", "replace").split("\n")
    matches = [line.fullmatch(row) for row in rows]
    # What does not belong there spoils it all: who knows what else was damaged.
    return [match[1] for match in matches if match] if all(matches) and not rest else []


def _prune(folder: Path, step: int, keep: int, best: int) -> None:
    """Delete what is too old, and what comes after ``step``: the run went back behind it.

    A checkpoint goes before its checksum, so that none is ever there without one.
    """
    recent = [other for other in steps(folder) if other <= step][:keep]
    kept = {path_of(folder, other).name for other in (*recent, best)}
    with storing(folder):
        for path in sorted(folder.iterdir()):
            name = path.name.removesuffix(".sha256")
            if _NAME.fullmatch(name) and name not in kept:
                path.unlink()
