"""Data sets as the training loop sees them: batches of tensors by sample indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ffebm_dsl.language.diagnostics import AnyPath, InputError
from ffebm_dsl.language.ir.model import CallIR, ModelIR
from ffebm_dsl.language.registry import AUGMENTATIONS, DATA, Shape
from ffebm_dsl.running.datasets.raw import Split, fingerprint, read_data
from ffebm_dsl.running.training.augment import augment
from ffebm_dsl.running.training.data.fit import check_split, compare_splits

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Normalisation:
    """Pixels to what the network sees: ``(x / maximum - mean) / std``.

    ``maximum`` divides integer samples only; ``mean`` and ``std`` broadcast against one
    sample.
    """

    maximum: float
    mean: Tensor
    std: Tensor

    def __call__(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        scaled = x.to(dtype) if x.is_floating_point() else x.to(dtype) / self.maximum
        return (scaled - self.mean.to(x.device, dtype)) / self.std.to(x.device, dtype)


@dataclass(frozen=True)
class Dataset:
    """One split. Arrays keep the type they came in (and may be memory maps)."""

    x: NDArray[Any]
    y: NDArray[Any]
    normalisation: Normalisation
    device: torch.device
    dtype: torch.dtype
    augmentations: tuple[CallIR, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: Indices) -> tuple[Tensor, Tensor]:
        """Samples (B, *input shape), normalised, and targets: labels (B,) or vectors (B, K)."""
        return self._normalised(self._gather(indices)), self._targets(indices)

    def augmented(self, indices: Indices, *, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
        """Like :meth:`batch`, each sample augmented by its key (seed, epoch, index)."""
        x = augment(self.augmentations, self._gather(indices), indices, seed=seed, epoch=epoch)
        return self._normalised(x), self._targets(indices)

    def _gather(self, indices: Indices) -> Tensor:
        return torch.from_numpy(self.x[indices]).to(self.device)

    def _normalised(self, x: Tensor) -> Tensor:
        return self.normalisation(x, self.dtype)

    def _targets(self, indices: Indices) -> Tensor:
        y = self.y[indices]
        if y.dtype.kind == "f":
            return torch.from_numpy(y).to(self.device, self.dtype)
        return torch.from_numpy(y.astype(np.int64)).to(self.device)


@dataclass(frozen=True)
class Data:
    """Both splits of a data set, its batch size, and what identifies it.

    ``warnings`` say what about the data is suspicious.
    """

    train: Dataset
    test: Dataset
    batch: int
    name: str
    files: tuple[str, ...]
    sha256: str
    warnings: tuple[str, ...] = ()


def load(
    call: CallIR,
    model: ModelIR,
    data_dir: AnyPath | None,
    device: torch.device,
    dtype: torch.dtype,
) -> Data:
    """The data set that a spec's ``data = ...`` names, validated against the spec's model.

    Raises:
        InputError: missing, damaged or unfitting data; the message says where and what to do.
    """
    folder = None if data_dir is None else Path(data_dir)
    if folder is not None and not folder.is_dir():
        raise InputError(f"{data_dir} is not a folder", help="give --data-dir an existing folder")
    values: Mapping[str, Any] = call.arguments
    raw = read_data(call.name, values, folder)
    train = check_split(raw.train, model.input, model.target)
    test = check_split(raw.test, model.input, model.target)
    warnings = compare_splits(train, test)
    normalisation = normalisation_of(call, model)
    augmentations: tuple[CallIR, ...] = values["augment"]
    image_only = any(AUGMENTATIONS[call.name].image_only for call in augmentations)
    if image_only and len(model.input.shape) != 3:
        raise InputError(
            f"augmentation needs images, but input `{model.input.name}` is a vector",
            help="remove `augment`, or make the input image(channels, height, width)",
        )
    for augmentation in augmentations:
        _check_fit(augmentation, model.input.shape)

    def dataset(split: Split, augmentations: tuple[CallIR, ...]) -> Dataset:
        return Dataset(split.x, split.y, normalisation, device, dtype, augmentations)

    return Data(
        dataset(train, augmentations),
        dataset(test, ()),
        int(values["batch"]),
        call.name,
        raw.files,
        raw.sha256 or fingerprint([train.x, train.y, test.x, test.y]),
        warnings,
    )


def _check_fit(augmentation: CallIR, shape: Shape) -> None:
    fault = AUGMENTATIONS[augmentation.name].misfit(augmentation.arguments, shape)
    if fault is not None:
        raise InputError(fault[0], help=fault[1])


def normalisation_of(call: CallIR, model: ModelIR) -> Normalisation:
    """What a spec's ``data = ...`` does to samples before its network sees them.

    Raises:
        InputError: ``mean`` or ``std`` do not fit the input.
    """
    arguments: Mapping[str, Any] = call.arguments
    shape = model.input.shape
    channels, kind = shape[0], "channels" if len(shape) == 3 else "features"
    values = {}
    for name in ("mean", "std"):
        numbers: Sequence[float] = arguments[name]
        if len(numbers) not in (1, channels):
            raise InputError(
                f"{call.name}: {name} has {len(numbers)} entries for {channels} {kind}",
                help=f"give one entry, or one for each of the {channels} {kind}",
            )
        tensor = torch.tensor(numbers, dtype=torch.float64)
        values[name] = tensor.view(-1, *[1] * (len(shape) - 1))
    if not bool((values["std"] > 0).all()):
        raise InputError(f"{call.name}: std must be positive", help="change `std` in the spec")
    return Normalisation(DATA[call.name].integer_maximum, values["mean"], values["std"])
