"""Outputs of a trained network for samples without targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.running.datasets.arrays import array_names
from ffebm_dsl.running.datasets.npz_archive import read_npz
from ffebm_dsl.running.training import keyed
from ffebm_dsl.running.training.data.dataset import normalisations_of, normalised
from ffebm_dsl.running.training.data.sample_checks import check_samples
from ffebm_dsl.running.training.environment import seed_generators

Arrays = Sequence[NDArray[Any]]


def read_samples(path: Path, inputs: Sequence[str]) -> list[NDArray[Any]]:
    """Samples for the inputs of these names, an array (n, ...) for each.

    They are the arrays with these names in an ``.npz`` archive; for a single input, the array ``x``
    of an archive or a ``.npy`` file.

    Raises:
        InputError: no such file, damaged, or without samples; a ``.npy`` file for several inputs.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}", help="give a .npy or .npz file of samples")
    names = array_names(inputs)
    if path.suffix == ".npz":
        arrays = read_npz(path, names)
        return [arrays[name] for name in names]
    if len(names) > 1:
        raise InputError(
            f"{path} holds one array, and the network has {len(names)} inputs",
            help=f"give an .npz archive with the arrays {', '.join(names)}",
        )
    try:
        # np.load takes archives and pickles for arrays as well.
        return [np.lib.format.open_memmap(path, mode="r")]
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path} cannot be read as a .npy file: {error}", help="write it with numpy.save"
        ) from error


def predict(
    network: HybridNetwork, spec: SpecIR, samples: Arrays, *, batch: int, name: str = "x"
) -> Iterator[NDArray[np.float64]]:
    """The network's outputs, (B, K) for each batch, in order.

    The samples are checked at once, the outputs computed one batch after the other. Noise of a free
    phase is that of an evaluation with such batches, the same each time; torch's generator is
    restored.

    Args:
        network: it is put into evaluation mode.
        spec: the network's spec; its train section defines the normalisation of samples.
        samples: those of each input, in the form of the data set, (n, *shape).
        batch: samples per batch.
        name: the name of ``samples`` in messages.

    Raises:
        InputError: samples that do not fit the network's inputs, or unequal numbers of them; while
            outputs are computed, a sample whose outputs are not finite.
    """
    ends = spec.model.inputs
    told = [name] if len(ends) == 1 else [f"{end.name} of {name}" for end in ends]
    arrays = [check_samples(*given) for given in zip(samples, told, ends, strict=True)]
    if len({len(x) for x in arrays}) > 1:
        counts = ", ".join(f"{len(x)} of {end.name}" for x, end in zip(arrays, ends, strict=True))
        raise InputError(
            f"{name} holds {counts}", help="give one of each input for each sample, in one order"
        )
    return _outputs(network, spec, arrays, batch, name)


def _outputs(
    network: HybridNetwork, spec: SpecIR, arrays: Arrays, batch: int, name: str
) -> Iterator[NDArray[np.float64]]:
    normalisations = normalisations_of(spec.train.data, spec.model) if spec.train else ()
    parameter = next(network.parameters())
    dtype, device = parameter.dtype, parameter.device
    forked = [device] if device.type == "cuda" else []
    network.eval()
    for start in range(0, len(arrays[0]), batch):
        parts = [np.array(x[start : start + batch]) for x in arrays]
        inputs = tuple(torch.from_numpy(part).to(device) for part in parts)
        if normalisations:
            inputs = normalised(normalisations, inputs, dtype)
        with torch.no_grad(), torch.random.fork_rng(forked):
            seed_generators(keyed.evaluation_seed(start), device)
            outputs = network(*(x.to(dtype) for x in inputs)).double().cpu().numpy()
        wrong = np.flatnonzero(~np.isfinite(outputs).all(1))
        if wrong.size:
            raise InputError(
                f"sample {start + wrong[0]} of {name}: the network's outputs are not finite",
                help="samples are to be on the scale of those that the network was trained on",
            )
        yield outputs
