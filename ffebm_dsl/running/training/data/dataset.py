"""Data sets of the training loop: batches of tensors by sample indices."""

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
from ffebm_dsl.language.ir.model import CallIR, InputIR, ModelIR, TargetIR
from ffebm_dsl.language.registry import AUGMENTATIONS, DATA, TARGETS
from ffebm_dsl.physics.network import Inputs
from ffebm_dsl.running.datasets.raw import Raw, Split, fingerprint, read_data
from ffebm_dsl.running.training import keyed
from ffebm_dsl.running.training.augment import augment, mix, mixes, partners
from ffebm_dsl.running.training.data.sample_checks import check_split, compare_splits

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Normalisation:
    """Normalisation of samples for the network: ``(x / maximum - mean) / std``.

    Only integer samples are divided by ``maximum``; ``mean`` and ``std`` broadcast against one
    sample.
    """

    maximum: float
    mean: Tensor
    std: Tensor

    def __call__(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        scaled = x.to(dtype) if x.is_floating_point() else x.to(dtype) / self.maximum
        return (scaled - self.mean.to(x.device, dtype)) / self.std.to(x.device, dtype)


def normalised(
    normalisations: Sequence[Normalisation], inputs: Inputs, dtype: torch.dtype
) -> Inputs:
    """Each of the inputs (B, *shape), normalised by its own normalisation."""
    return tuple(n(x, dtype) for n, x in zip(normalisations, inputs, strict=True))


@dataclass(frozen=True)
class Dataset:
    """Rows of arrays, which keep their original type and may be memory-mapped.

    There is one array and one normalisation per input of the network. ``name`` is the purpose of
    the set: ``training``, ``validation`` or ``test``; ``rows`` are the indices into the arrays of
    its samples.
    """

    name: str
    inputs: tuple[NDArray[Any], ...]
    y: NDArray[Any]
    rows: Indices
    normalisations: tuple[Normalisation, ...]
    device: torch.device
    dtype: torch.dtype
    target: TargetIR
    augmentations: tuple[CallIR, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: Indices) -> tuple[Inputs, Tensor]:
        """Normalised inputs (B, *shape), and targets: labels (B,) or vectors (B, K).

        ``indices`` (B,) are indices into the arrays, entries of ``rows``.
        """
        return self._ready(self._gather(indices), indices)

    def augmented(self, indices: Indices, *, seed: int, epoch: int) -> tuple[Inputs, Tensor]:
        """Like :meth:`batch`, each sample augmented with its key (seed, epoch, index).

        Targets of mixed samples are vectors (B, K).
        """
        own = self._augmented(indices, seed, epoch)
        if not mixes(self.augmentations):
            return own
        others = self._augmented(partners(self.rows, indices, seed=seed, epoch=epoch), seed, epoch)
        return mix(
            self.augmentations, own, others, self.target.size, indices, seed=seed, epoch=epoch
        )

    def _augmented(self, indices: Indices, seed: int, epoch: int) -> tuple[Inputs, Tensor]:
        gathered = self._gather(indices)
        inputs = augment(self.augmentations, gathered, indices, seed=seed, epoch=epoch)
        return self._ready(inputs, indices)

    def _gather(self, indices: Indices) -> Inputs:
        return tuple(torch.from_numpy(x[indices]).to(self.device) for x in self.inputs)

    def _ready(self, inputs: Inputs, indices: Indices) -> tuple[Inputs, Tensor]:
        inputs = normalised(self.normalisations, inputs, self.dtype)
        return inputs, self._targets(inputs, indices)

    def _targets(self, inputs: Inputs, indices: Indices) -> Tensor:
        if TARGETS[self.target.kind].of_input:
            return torch.cat([x.flatten(1) for x in inputs], 1)
        y = self.y[indices]
        if y.dtype.kind == "f":
            return torch.from_numpy(y).to(self.device, self.dtype)
        return torch.from_numpy(y.astype(np.int64)).to(self.device)


@dataclass(frozen=True)
class Data:
    """The sets of a data set, its batch size, and its identity.

    ``validation`` is None if the spec reserves no samples, ``test`` if the data have no test set;
    at least one is present. ``warnings`` describe anything suspicious in the data.
    """

    train: Dataset
    validation: Dataset | None
    test: Dataset | None
    batch: int
    drop_last: bool
    name: str
    files: tuple[str, ...]
    sha256: str
    warnings: tuple[str, ...] = ()

    def batches(self, order: Indices) -> list[Indices]:
        """``order`` cut into batches; a smaller last one is dropped if the spec says so."""
        batches = [order[i : i + self.batch] for i in range(0, len(order), self.batch)]
        return batches[:-1] if self.drop_last and len(batches[-1]) < self.batch else batches

    @property
    def judged_on(self) -> str:
        """The set of evaluations during training: ``validation`` or ``test``."""
        return "test" if self.validation is None else "validation"

    def named(self, which: str) -> Dataset:
        """The ``validation`` or the ``test`` set.

        Raises:
            InputError: there is none.
        """
        found = self.validation if which == "validation" else self.test
        if found is None:
            other = "test" if which == "validation" else "validation"
            raise InputError(
                f"{self.name} has no {which} set here",
                help=f"evaluate on the other one: --on {other}",
            )
        return found


def load(
    call: CallIR,
    model: ModelIR,
    data_dir: AnyPath | None,
    device: torch.device,
    dtype: torch.dtype,
    made: Raw | None = None,
) -> Data:
    """The data set of a spec's ``data = ...``, validated against the spec's model.

    Samples given as ``made`` replace the contents of its files.

    Raises:
        InputError: missing, damaged or unsuitable data; the message says where and what to do.
    """
    folder = None if data_dir is None else Path(data_dir)
    if folder is not None and not folder.is_dir():
        raise InputError(f"{data_dir} is not a folder", help="give --data-dir an existing folder")
    values: Mapping[str, Any] = call.arguments
    raw = made or read_data(call.name, values, folder, [end.name for end in model.inputs])
    train = check_split(raw.train, model.inputs, model.target)
    test = raw.test and check_split(raw.test, model.inputs, model.target)
    warnings = compare_splits(train, test) if test else ()
    kept, aside = _set_aside(call, len(train.y))
    if test is None and not len(aside):
        raise InputError(
            f"{call.name} has no test set, and no samples are set aside for validation: there is "
            "nothing to judge by",
            help=f"give one in the spec: {call.name}(..., validation=0.1)",
        )
    batch, drop_last = int(values["batch"]), bool(values.get("drop_last", False))
    if drop_last and batch > len(kept):
        raise InputError(
            f"drop_last leaves no batch: there are {len(kept)} training samples, and a batch has "
            f"{batch}",
            help="choose a smaller batch: --set data.batch=...",
        )
    normalisations = normalisations_of(call, model)
    augmentations: tuple[CallIR, ...] = values["augment"]
    _check_fit(augmentations, model)

    def dataset(name: str, split: Split, rows: Indices) -> Dataset:
        changes = augmentations if name == "training" else ()
        return Dataset(
            *(name, split.inputs, split.y, rows, normalisations),
            *(device, dtype, model.target, changes),
        )

    arrays = [array for split in (train, test) if split for array in (*split.inputs, split.y)]
    return Data(
        dataset("training", train, kept),
        dataset("validation", train, aside) if len(aside) else None,
        dataset("test", test, np.arange(len(test.y))) if test else None,
        batch,
        drop_last,
        call.name,
        raw.files,
        raw.sha256 or fingerprint(arrays),
        warnings,
    )


def _set_aside(call: CallIR, samples: int) -> tuple[Indices, Indices]:
    """Training rows, and validation rows, which are the first ones in the order of their keys.

    The choice is independent of the seed, and a larger validation set contains the smaller ones.

    Raises:
        InputError: no sample would be left to train on.
    """
    share = float(call.arguments.get("validation", 0))
    count = max(1, round(share * samples)) if 0 < share < 1 else int(share)
    if count >= samples:
        raise InputError(
            f"validation={share:g} takes {count} of {samples} training samples",
            help="leave some to train on",
        )
    keys = keyed.bits(keyed.Purpose.VALIDATION, np.arange(samples))
    aside = np.zeros(samples, bool)
    aside[np.argsort(keys, kind="stable")[:count]] = True
    return np.flatnonzero(~aside), np.flatnonzero(aside)


def _check_fit(augmentations: Sequence[CallIR], model: ModelIR) -> None:
    shapes = [end.shape for end in model.inputs]
    for call in augmentations:
        fault = AUGMENTATIONS[call.name].misfit_of(call.arguments, shapes)
        if fault is not None:
            raise InputError(fault[0], help=fault[1])


def normalisations_of(call: CallIR, model: ModelIR) -> tuple[Normalisation, ...]:
    """The normalisation of each input that a spec's ``data = ...`` defines.

    Raises:
        InputError: ``mean`` or ``std`` do not fit an input.
    """
    return tuple(_normalisation(call, end) for end in model.inputs)


def _normalisation(call: CallIR, end: InputIR) -> Normalisation:
    arguments: Mapping[str, Any] = call.arguments
    shape = end.shape
    channels, kind = shape[0], "features" if len(shape) == 1 else "channels"
    values = {}
    for name in ("mean", "std"):
        numbers: Sequence[float] = arguments[name]
        if len(numbers) not in (1, channels):
            raise InputError(
                f"{call.name}: {name} has {len(numbers)} entries for {channels} {kind} of input "
                f"`{end.name}`",
                help=f"give one entry, or one for each of the {channels} {kind}",
            )
        tensor = torch.tensor(numbers, dtype=torch.float64)
        values[name] = tensor.view(-1, *[1] * (len(shape) - 1))
    if not bool((values["std"] > 0).all()):
        raise InputError(f"{call.name}: std must be positive", help="change `std` in the spec")
    return Normalisation(DATA[call.name].integer_maximum, values["mean"], values["std"])
