"""Checkpoints: the complete state from which a run continues, as verified files.

A checkpoint is one file ``ckpt/step-00000042.safetensors``: tensors in the safetensors format,
which cannot contain code, and everything else as JSON in its metadata, with a checksum of the whole
file (``running.seal``). The checksum, then names, types and ranges are verified before use.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import safetensors.numpy
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.diagnostics.brief import brief
from ffebm_dsl.running import seal
from ffebm_dsl.running.storage import publish, read_bounded, storing
from ffebm_dsl.running.training.environment import Environment
from ffebm_dsl.running.training.keyed import FIRST_EPOCH

FORMAT, VERSION = "ffebm-checkpoint", "3"

MAX_BYTES = 1 << 36
"""Limit for the size of a file, far above that of any network that trains on one machine."""

FIRST_DIAGNOSTIC = 50
"""The first step whose gradient is diagnosed, if ffebm chooses it."""

MOST = 1 << 62
"""Limit for counts of steps, epochs and batches, far above any real one."""

FAULTS = (SafetensorError, KeyError, TypeError, ValueError, AttributeError, RecursionError)
"""Exceptions raised for a sealed file that is not a checkpoint."""

_NAME = re.compile(r"step-(\d{8,18})\.safetensors")

T = TypeVar("T")
Warn = Callable[[str], None]


@dataclass(frozen=True)
class Position:
    """The progress of training.

    Attributes:
        epoch: completed epochs, including their evaluation.
        step_in_epoch: completed steps of the next epoch.
        step: completed steps in total.
        evaluated: step of the last scheduled evaluation; -1 before the first.
        seconds: time spent in training.
        skipped: batches of this epoch that were skipped because of bad numbers.
        diagnose_at: step of the next gradient diagnosis, if ffebm chooses it.
    """

    epoch: int = FIRST_EPOCH
    step_in_epoch: int = 0
    step: int = 0
    evaluated: int = -1
    seconds: float = 0.0
    skipped: int = 0
    diagnose_at: int = FIRST_DIAGNOSTIC

    def __post_init__(self) -> None:
        counts = (
            *(self.epoch, self.step_in_epoch, self.step, self.skipped),
            *(self.evaluated + 1, self.diagnose_at),
        )
        if not 0 <= min(counts) <= max(counts) <= MOST or not 0 <= self.seconds < math.inf:
            raise ValueError("its position is not one that a run can have")


@dataclass(frozen=True)
class Best:
    """The best evaluation so far: its step, and a score to be maximised.

    ``waited`` counts the evaluations since.
    """

    step: int = 0
    score: float = float("-inf")
    waited: int = 0

    def __post_init__(self) -> None:
        counts = self.step, self.waited
        if not 0 <= min(counts) <= max(counts) <= MOST or math.isnan(self.score):
            raise ValueError("its best evaluation is not one that a run can have")


@dataclass(frozen=True)
class RunIdentity:
    """What determines the computation of a run. A resumed run must agree in all of it."""

    spec_sha256: str
    overrides: dict[str, str]
    seed: int
    dtype: str
    data: dict[str, str | int]

    def __post_init__(self) -> None:
        _of_types(self.overrides, str)
        _of_types(self.data, str, int)

    @property
    def judged_on(self) -> str:
        """The set of evaluations during training: ``validation`` or ``test``."""
        return "validation" if self.data.get("validation_samples") else "test"


def preferred(identity: RunIdentity, best: Best) -> str:
    """Which weights of a run are used unless another checkpoint is named: ``best`` or ``last``.

    The best ones if a validation set found them. If the test set did, its accuracy would no longer
    be that of unseen samples.
    """
    return "best" if best.step and identity.judged_on == "validation" else "last"


@dataclass(frozen=True)
class Settings:
    """Settings that do not change what a run computes.

    Attributes:
        device, threads: what computes. A change may change the last bits of the results.
        data_dir: the folder of data sets; "" if none is needed.
        keep: number of the newest checkpoints that are kept.
        save_every: seconds of training after which the run is also saved within an epoch.
    """

    device: str
    threads: int
    data_dir: str
    keep: int
    save_every: float

    def __post_init__(self) -> None:
        fits = 1 <= self.threads <= 1 << 16 and 1 <= self.keep <= MOST and self.save_every >= 0
        if not fits or "\0" in self.data_dir:
            raise ValueError("its settings are not those that a run can have")


OptimizerState = dict[str, dict[str, Tensor]]
"""The state of an optimiser by parameter name."""


@dataclass(frozen=True)
class Checkpoint:
    """The complete state from which a run continues.

    Random numbers are functions of seed and step (``keyed``), and the learning rate is one of the
    epoch, so neither has a state of its own.
    """

    run_id: str
    spec_text: str
    network: dict[str, Tensor]
    optimizer: OptimizerState
    position: Position
    best: Best
    identity: RunIdentity
    settings: Settings
    environment: Environment


def path_of(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}.safetensors"


def save(folder: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Write a checkpoint, then delete those that are neither the best nor the ``keep`` newest.

    Raises:
        StorageError: it could not be written; the earlier ones are unchanged.
    """
    step = checkpoint.position.step
    path = path_of(folder, step)
    publish(path, to_bytes(checkpoint))
    _prune(folder, step, keep, checkpoint.best.step)
    return path


def steps(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder, newest first."""
    matches = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted((int(match[1]) for match in matches if match), reverse=True)


def newest(folder: Path, warn: Warn) -> tuple[Path, Checkpoint]:
    """The newest valid checkpoint; ``warn`` is called for each invalid one.

    Raises:
        InputError: there is no valid checkpoint.
    """
    for step in steps(folder):
        path = path_of(folder, step)
        try:
            return path, load(path)
        except InputError as error:
            warn(f"{error.message}; trying the checkpoint before it")
    raise InputError(f"{folder} has no valid checkpoint", help="start a new run")


def load(path: Path) -> Checkpoint:
    """Read a checkpoint after verifying its checksum.

    Raises:
        InputError: absent, damaged, or of another format.
    """
    try:
        content = read_bounded(path, MAX_BYTES)
    except InputError as error:
        raise InputError(f"checkpoint {error.message}") from error
    return from_bytes(content, path)


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """The content of a checkpoint's file."""
    values = {
        field.name: getattr(checkpoint, field.name)
        for field in fields(checkpoint)
        if field.name not in ("network", "optimizer")
    }
    for name in ("position", "best", "identity", "settings"):
        values[name] = asdict(values[name])
    tensors = {f"network/{name}": tensor for name, tensor in checkpoint.network.items()}
    for name, state in checkpoint.optimizer.items():
        tensors |= {f"optimizer/{name}/{key}": tensor for key, tensor in state.items()}
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "values": json.dumps(values),
        "checksum": seal.TEXT.decode(),
    }
    return seal.sealed(safetensors.numpy.save(arrays, metadata))


def from_bytes(content: bytes, path: Path) -> Checkpoint:
    """The checkpoint in ``content``, read from ``path``.

    Raises:
        InputError: damaged, not a checkpoint, or of another version.
    """
    if not seal.fits(content):
        raise InputError(
            f"checkpoint {path} does not fit its checksum", help="use another checkpoint"
        )
    try:
        return _checkpoint(content)
    except FAULTS as error:
        reason = brief((str(error).splitlines() or [type(error).__name__])[0])
        raise InputError(
            f"checkpoint {path} cannot be read: {reason}",
            help="use a checkpoint that this version of ffebm wrote",
        ) from error


def _prune(folder: Path, step: int, keep: int, best: int) -> None:
    """Delete old checkpoints, and those after ``step``, to which the run was rolled back."""
    there = steps(folder)
    kept = {*[other for other in there if other <= step][:keep], best}
    with storing(folder):
        for other in there:
            if other not in kept:
                path_of(folder, other).unlink()


def _checkpoint(content: bytes) -> Checkpoint:
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    if metadata["format"] != FORMAT:
        raise TypeError(f"it is not of format {FORMAT}")
    if metadata["version"] != VERSION:
        raise TypeError(f"it is of version {brief(metadata['version'])}, not {VERSION}")
    values = json.loads(metadata["values"])
    network: dict[str, Tensor] = {}
    optimizer: OptimizerState = {}
    for place, tensor in safetensors.torch.load(content).items():
        kind, name, *key = place.split("/")
        if kind == "network":
            network[name] = tensor
        else:
            optimizer.setdefault(name, {})[key[0]] = tensor
    return Checkpoint(
        _of(str, values["run_id"]),
        _of(str, values["spec_text"]),
        network,
        optimizer,
        _record(Position, values["position"]),
        _record(Best, values["best"]),
        _record(RunIdentity, values["identity"]),
        _record(Settings, values["settings"]),
        _of_types(values["environment"], str, int),
    )


def _record(kind: type[T], values: Any) -> T:
    """A dataclass from plain values, each checked against the type of its field."""
    types = get_type_hints(kind)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if _of(dict, values).keys() != set(names):
        raise TypeError(f"its {kind.__name__.lower()} has other entries")
    for name in names:
        _of(types[name] if types[name] in (int, float, str) else dict, values[name])
    return kind(**values)


def _of(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise TypeError(f"it holds {type(value).__name__} where {kind.__name__} belongs")
    return value


def _of_types(value: Any, *kinds: type) -> dict[str, Any]:
    """A dict with text keys and values of these types."""
    for key, entry in _of(dict, value).items():
        _of(str, key)
        if type(entry) not in kinds:
            raise TypeError(f"it holds {type(entry).__name__} where {kinds[0].__name__} belongs")
    return value
