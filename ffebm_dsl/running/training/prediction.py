"""What a trained network says of samples that have no targets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.running.datasets.npz_archive import read_npz
from ffebm_dsl.running.training.data.dataset import normalisation_of
from ffebm_dsl.running.training.data.sample_checks import check_samples

ARRAY = "x"
"""The array of samples in an npz archive."""


def read_samples(path: Path) -> NDArray[Any]:
    """The samples in a ``.npy`` file, or the array ``x`` of an ``.npz`` archive, (n, ...).

    Raises:
        InputError: no such file, damaged, or without samples.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}", help="give a .npy or .npz file of samples")
    if path.suffix == ".npz":
        return read_npz(path, [ARRAY])[ARRAY]
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path} cannot be read as a .npy file: {error}", help="write it with numpy.save"
        ) from error
    return array


def predict(
    network: HybridNetwork, spec: SpecIR, x: NDArray[Any], *, batch: int, name: str = "x"
) -> Iterator[NDArray[np.float64]]:
    """The network's outputs, (B, K) for each batch, in order.

    Args:
        network: in evaluation mode from here on.
        spec: of the network; its train section says how samples are normalised.
        x: samples as the data set has them, (n, *input shape).
        batch: samples at once.
        name: what messages call ``x``.

    Raises:
        InputError: samples that do not fit the network's input.
    """
    samples = check_samples(x, name, spec.model.input)
    normalise = None if spec.train is None else normalisation_of(spec.train.data, spec.model)
    parameter = next(network.parameters())
    network.eval()
    with torch.no_grad():
        for start in range(0, len(samples), batch):
            part = torch.from_numpy(np.array(samples[start : start + batch])).to(parameter.device)
            given = (
                part.to(parameter.dtype) if normalise is None else normalise(part, parameter.dtype)
            )
            yield network(given).double().cpu().numpy()
