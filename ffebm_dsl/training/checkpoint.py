"""Checkpoints: plain tensors and values, written whole, verified before they are used.

``ckpt/step-00000042.pt`` holds one, ``ckpt/step-00000042.pt.sha256`` its checksum in the
form of sha256sum. The checksum is written first: a checkpoint that is there can be verified.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ffebm_dsl.diagnostics import InputError
from ffebm_dsl.records import publish
from ffebm_dsl.training.environment import Environment

FORMAT = "ffebm-checkpoint"
VERSION = 1
KEPT = 2
"""So many of the newest checkpoints are kept, and the best."""

_NAME = re.compile(r"step-(\d{8,})\.pt")

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Position:
    """How far training has come.

    Attributes:
        epoch: whole epochs done, their evaluation included.
        step_in_epoch: steps done of the next one.
        step: steps done in all.
        evaluated: step of the last evaluation that the plan asks for; -1: none yet.
        seconds: time spent in training.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    evaluated: int = -1
    seconds: float = 0.0


@dataclass(frozen=True)
class Best:
    """The best evaluation so far: step, and a score of which more is better."""

    step: int = 0
    score: float = float("-inf")


@dataclass(frozen=True)
class Identity:
    """What makes two runs the same computation. A resumed run must agree in all of it."""

    spec_sha256: str
    overrides: dict[str, str]
    seed: int
    dtype: str
    data: dict[str, str | int]


@dataclass(frozen=True)
class Settings:
    """Where and how a run works; a resumed run may change these."""

    device: str
    threads: int
    data_dir: str


@dataclass(frozen=True)
class Checkpoint:
    """Everything from which a run goes on.

    Random numbers are functions of seed and step (``keyed``), and the learning rate of the
    epoch, so neither has a state to keep.
    """

    network: dict[str, Tensor]
    optimizer: dict[str, Any]
    position: Position
    best: Best
    identity: Identity
    settings: Settings
    environment: Environment


def path_of(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}.pt"


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint, then delete those that are neither recent nor the best.

    Raises:
        StorageError: it could not be written; the earlier ones are untouched.
    """
    buffer = io.BytesIO()
    torch.save(_to_values(checkpoint), buffer)
    content = buffer.getvalue()
    path = path_of(folder, checkpoint.position.step)
    digest = hashlib.sha256(content).hexdigest()
    # A run stopped while evaluating comes back to the same step and writes it again. Until
    # the rename the old file stands, so its checksum stays beside the new one.
    digests = [*_digests(path)[-1:], digest]
    lines = "".join(f"{entry}  {path.name}\n" for entry in dict.fromkeys(digests))
    publish(_sidecar(path), lines.encode())
    publish(path, content)
    _prune(folder, checkpoint.best.step)
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
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"checkpoint {path} cannot be read: {error.strerror}") from error
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
    try:
        values = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return _from_values(values)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise InputError(
            f"checkpoint {path} cannot be read: {str(error).splitlines()[0]}",
            help="use a checkpoint that this version of ffebm wrote",
        ) from error


def restore_network(network: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Give ``network`` the parameters and buffers of a checkpoint.

    Raises:
        InputError: names, shapes or types differ.
    """
    own, saved = network.state_dict(), checkpoint.network
    _require(own.keys() == saved.keys(), path, sorted(own.keys() ^ saved.keys()))
    for name, tensor in own.items():
        fits = tensor.shape == saved[name].shape and tensor.dtype == saved[name].dtype
        _require(fits, path, [name])
    network.load_state_dict(saved)


def restore_optimizer(optimizer: torch.optim.Optimizer, checkpoint: Checkpoint, path: Path) -> None:
    """Give ``optimizer`` the state of a checkpoint.

    Raises:
        InputError: it does not fit the optimiser's parameters.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, state in checkpoint.optimizer["state"].items():
        tensors = [value for value in state.values() if isinstance(value, Tensor)]
        known = isinstance(index, int) and index < len(parameters)
        fits = known and all(t.dim() == 0 or t.shape == parameters[index].shape for t in tensors)
        _require(fits, path, [f"state {index} of the optimizer"])
    try:
        optimizer.load_state_dict(checkpoint.optimizer)
    except ValueError as error:
        raise InputError(f"checkpoint {path} does not fit the optimizer: {error}") from error


def _require(fits: bool, path: Path, names: list[str]) -> None:
    if not fits:
        raise InputError(
            f"checkpoint {path} does not fit the network in: {', '.join(names[:5])}",
            help="use the checkpoint with the run that wrote it",
        )


def _to_values(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "network": dict(checkpoint.network),
        "optimizer": checkpoint.optimizer,
        "position": asdict(checkpoint.position),
        "best": asdict(checkpoint.best),
        "identity": asdict(checkpoint.identity),
        "settings": asdict(checkpoint.settings),
        "environment": dict(checkpoint.environment),
    }


def _from_values(values: dict[str, Any]) -> Checkpoint:
    if values["format"] != FORMAT or values["version"] != VERSION:
        raise TypeError(f"it is not of format {FORMAT} {VERSION}")
    return Checkpoint(
        values["network"],
        values["optimizer"],
        Position(**values["position"]),
        Best(**values["best"]),
        Identity(**values["identity"]),
        Settings(**values["settings"]),
        values["environment"],
    )


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digests(path: Path) -> list[str]:
    try:
        lines = _sidecar(path).read_text("ascii", errors="replace").splitlines()
    except OSError:
        return []
    return [line.split()[0] for line in lines if line.split()]


def _prune(folder: Path, best: int) -> None:
    kept = {path_of(folder, step).name for step in (*steps(folder)[:KEPT], best)}
    for path in folder.iterdir():
        name = path.name.removesuffix(".sha256")
        if _NAME.fullmatch(name) and name not in kept:
            path.unlink()
