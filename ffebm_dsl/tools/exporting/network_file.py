"""A trained network in one safetensors file: its weights, and its spec in the metadata.

The spec is the canonical text of the resolved network, with overrides applied, so that the file is
self-contained. The format contains only tensors and texts: reading it executes no code.
"""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.interchange.load import to_text
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.running.storage import publish

FORMAT = "ffebm-network 1"


def write_network(path: Path, network: HybridNetwork, spec: SpecIR) -> None:
    """Write the network's parameters, buffers and spec to a file, atomically.

    Raises:
        InputError, StorageError: the file cannot be written.
    """
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    metadata = {"format": FORMAT, "spec": to_text(spec)}
    publish(path, safetensors.torch.save(tensors, metadata))


def read_network(path: Path, device: str | torch.device = "cpu") -> tuple[HybridNetwork, SpecIR]:
    """The network in a file written by :func:`write_network`, in its original dtype.

    Raises:
        InputError: no such file, another format, or tensors that do not match the spec.
        SpecError: the spec is not valid for this version of ffebm.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path} cannot be read as a safetensors file: {error}",
            help="name a run directory, or a file that `ffebm export` made",
        ) from error
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path} is not a network that ffebm exported",
            help="`ffebm export RUN` makes one; a checkpoint is loaded by its run's directory",
        )
    spec = compile_spec(SourceFile(str(path), metadata.get("spec", "")), {}, None).spec
    dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    network = build(spec, dtype=dtypes.pop() if len(dtypes) == 1 else torch.float32)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise InputError(f"{path}: its tensors are not those of its spec: {first}") from error
    return network.to(device), spec
