"""Everything from which a run goes on, and its form as bytes.

The bytes are a torch archive of tensors, numbers, strings, lists and dicts: no code. What
is read is checked before anything is made of it: sizes, then names, shapes and types.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import torch
from torch import Tensor, nn

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.training.environment import Environment
from ffebm_dsl.running.training.keyed import FIRST_EPOCH

FORMAT = "ffebm-checkpoint"
VERSION = 2

T = TypeVar("T")


@dataclass(frozen=True)
class Position:
    """How far training has come.

    Attributes:
        epoch: whole epochs done, their evaluation included.
        step_in_epoch: steps done of the next one.
        step: steps done in all.
        evaluated: step of the last evaluation that the plan asks for; -1: none yet.
        seconds: time spent in training.
        skipped: batches left out of this epoch because their numbers went wrong.
    """

    epoch: int = FIRST_EPOCH
    step_in_epoch: int = 0
    step: int = 0
    evaluated: int = -1
    seconds: float = 0.0
    skipped: int = 0


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
    """Where and how a run works, which changes nothing that it computes.

    Attributes:
        device, threads: what computes. A change may change the last bits of the results.
        data_dir: where data sets are; "" where none is needed.
        keep: how many of the newest checkpoints are kept.
        save_every: seconds of training after which the run is saved inside an epoch too.
    """

    device: str
    threads: int
    data_dir: str
    keep: int
    save_every: float


OptimizerState = dict[str, dict[str, Tensor]]
"""What an optimiser remembers of each parameter, by the parameter's name."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything from which a run goes on.

    Random numbers are functions of seed and step (``keyed``), and the learning rate of the
    epoch, so neither has a state to keep.
    """

    run_id: str
    spec_text: str
    network: dict[str, Tensor]
    optimizer: OptimizerState
    position: Position
    best: Best
    identity: Identity
    settings: Settings
    environment: Environment


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """A checkpoint as the content of its file."""
    buffer = io.BytesIO()
    torch.save(
        {
            "format": FORMAT,
            "version": VERSION,
            "run_id": checkpoint.run_id,
            "spec_text": checkpoint.spec_text,
            "network": dict(checkpoint.network),
            "optimizer": checkpoint.optimizer,
            "position": asdict(checkpoint.position),
            "best": asdict(checkpoint.best),
            "identity": asdict(checkpoint.identity),
            "settings": asdict(checkpoint.settings),
            "environment": dict(checkpoint.environment),
        },
        buffer,
    )
    return buffer.getvalue()


def from_bytes(content: bytes, path: Path) -> Checkpoint:
    """The checkpoint that the file at ``path`` holds; nothing in it is executed.

    Raises:
        InputError: the bytes are something else, or of another version.
    """
    try:
        _check_archive(content)
        values = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return _from_values(values)
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        RuntimeError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
        MemoryError,
    ) as error:
        # Whatever torch's reader meets in a file that is not one of ours.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"checkpoint {path} cannot be read: {reason}",
            help="use a checkpoint that this version of ffebm wrote",
        ) from error


def restore_network(network: nn.Module, saved: Mapping[str, Tensor], path: Path) -> None:
    """Give ``network`` the parameters and buffers of a checkpoint.

    Raises:
        InputError: names, shapes or types differ.
    """
    own = network.state_dict()
    _require(own.keys() == saved.keys(), path, sorted(own.keys() ^ saved.keys()))
    for name, tensor in own.items():
        fits = tensor.shape == saved[name].shape and tensor.dtype == saved[name].dtype
        _require(fits, path, [name])
    network.load_state_dict(saved)


def optimizer_state(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
) -> OptimizerState:
    """What ``optimizer`` remembers, by the names of its ``parameters``.

    Its settings are not part of it: they follow from the spec and the epoch.
    """
    return {
        name: {key: value for key, value in optimizer.state[p].items() if value is not None}
        for name, p in parameters.items()
        if optimizer.state.get(p)
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    saved: OptimizerState,
    path: Path,
) -> None:
    """Give ``optimizer`` the state of a checkpoint.

    Raises:
        InputError: it does not fit the optimiser's parameters.
    """
    _require(saved.keys() <= parameters.keys(), path, sorted(saved.keys() - parameters.keys()))
    for name, state in saved.items():
        for key, tensor in state.items():
            shape = parameters[name].shape
            fits = tensor.shape in (shape, torch.Size()) and tensor.is_floating_point()
            _require(fits, path, [f"{key} of {name}"])
    places = {id(p): i for i, p in enumerate(_in_order(optimizer))}
    by_place = {places[id(parameters[name])]: values for name, values in saved.items()}
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": by_place, "param_groups": groups})


def _in_order(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """The parameters in the order in which ``state_dict`` counts them."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def _require(fits: bool, path: Path, names: list[str]) -> None:
    if not fits:
        raise InputError(
            f"checkpoint {path} does not fit the network in: {', '.join(names[:5])}",
            help="use the checkpoint with the run that wrote it",
        )


def _check_archive(content: bytes) -> None:
    """Refuse an archive that unpacks to more than its own size."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("it is a compressed archive")
    if sum(entry.file_size for entry in entries) > len(content):
        raise ValueError("it declares more than it holds")


def _from_values(values: Any) -> Checkpoint:
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise TypeError(f"it is not of format {FORMAT}")
    if values["version"] != VERSION:
        raise TypeError(f"it is of version {values['version']!r}, not {VERSION}")
    network, optimizer = values["network"], values["optimizer"]
    for tensors in (network, *_dict(optimizer).values()):
        _tensors(tensors)
    return Checkpoint(
        _of(str, values["run_id"]),
        _of(str, values["spec_text"]),
        network,
        optimizer,
        _position(values["position"]),
        _checked(Best, values["best"]),
        _checked(Identity, values["identity"]),
        _checked(Settings, values["settings"]),
        _flat(values["environment"]),
    )


def _position(values: Any) -> Position:
    # Checkpoints from before batches could be skipped have none skipped.
    position = _checked(Position, {"skipped": 0, **_dict(values)})
    counts = (position.epoch, position.step_in_epoch, position.step, position.skipped)
    if (
        min(*counts, position.evaluated + 1) < 0
        or position.step > 1 << 62
        or not math.isfinite(position.seconds)
    ):
        raise ValueError("its position is not one that a run can have")
    return position


def _checked(kind: type[T], values: Any) -> T:
    """A dataclass from plain values, each of the type that its field declares."""
    types = get_type_hints(kind)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if _dict(values).keys() != set(names):
        raise TypeError(f"its {kind.__name__.lower()} has other entries")
    for name in names:
        if types[name] in (int, float, str):
            _of(types[name], values[name])
        else:
            _flat(values[name])
    return kind(**values)


def _of(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise TypeError(f"it holds {type(value).__name__} where {kind.__name__} belongs")
    return value


def _dict(value: Any) -> dict[str, Any]:
    if not all(isinstance(key, str) for key in _of(dict, value)):
        raise TypeError("it has names that are not text")
    return value


def _flat(value: Any) -> Any:
    """A dict of texts and whole numbers."""
    if not all(type(entry) in (str, int) for entry in _dict(value).values()):
        raise TypeError("it holds other values than text and numbers")
    return value


def _tensors(value: Any) -> None:
    for tensor in _dict(value).values():
        if type(tensor) is not Tensor or tensor.layout is not torch.strided:
            raise TypeError("it holds something else where tensors belong")
