"""A trained network as an ONNX graph, with a fixed number of sweeps in each free phase.

A relaxation ends when its samples have converged, for which a graph has no loop. Each block
therefore makes a fixed number of plain sweeps. Gradients are not exported.
"""

from __future__ import annotations

import copy
import logging
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.physics.energy import release
from ffebm_dsl.physics.network import EnergyBlock, HybridNetwork, Inputs
from ffebm_dsl.physics.relaxation import forward_pass
from ffebm_dsl.running.storage import rename_durably, storing


class FixedSweeps(nn.Module):
    """The free phase of a block in a fixed number of plain sweeps, without a convergence test.

    Args:
        block: the block with its energy, settings and outputs.
        sweeps: number of sweeps.
    """

    def __init__(self, block: EnergyBlock, sweeps: int) -> None:
        super().__init__()
        self.energy, self.outputs, self.settings = block.energy, block.outputs, block.settings
        self.name, self.sweeps = block.name, sweeps

    def forward(self, *drives: Tensor, settings: None = None) -> Tensor | tuple[Tensor, ...]:
        """The block's outputs, (B, *layer shape) each."""
        free = self.settings.free
        bound = self.energy.bind(drives, self.energy.weights(), graph=True)
        # Whether skipping terms at zero is faster depends on the batch size, open in a graph.
        dynamics = bound.dynamics(freeze_after=free.freeze_after, from_zero=free.feedforward)
        states: list[Tensor] = list(bound.zero_state())
        if free.feedforward:
            states = forward_pass(dynamics, states)
        for sweep in range(self.sweeps):
            if sweep == dynamics.changes_after:
                dynamics.change(states)
            free.solver.plain.run(dynamics, states, measured=False)
        found = tuple(states[i] for i in self.outputs)
        return found[0] if len(found) == 1 else found


def with_fixed_sweeps(network: HybridNetwork, sweeps: int | None = None) -> HybridNetwork:
    """A copy of the network whose blocks are :class:`FixedSweeps`, for inference.

    ``sweeps`` is the number for every block; None: the maximum of its free phase.

    Raises:
        InputError: a block with noise in its free phase, or on a device that inference depends on.
    """
    found = copy.deepcopy(network)
    # Weights of a graph are constants, which need no projection in every sweep.
    release(found)
    for block in found.blocks:
        free, device = block.core.settings.free, block.core.device
        what = "noise in its free phase" if free.noisy else ""
        if device is not None and (device.settings.array or device.drives or device.outputs):
            what = "a device"
        if what:
            raise InputError(
                f"block {block.name} has {what}, which a graph cannot have",
                help="use --format safetensors, which takes every network",
            )
        block.core.energy.fix_steps()
        block.add_module("core", FixedSweeps(block.core, sweeps or free.sweeps))
    return found


@dataclass(frozen=True)
class Exported:
    """The exported sweeps by block, and the largest absolute difference of the outputs from the
    network's own on random inputs.
    """

    sweeps: Mapping[str, int]
    difference: float


def write_onnx(
    path: Path,
    network: HybridNetwork,
    *,
    sweeps: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Exported:
    """Write the network, in evaluation mode, as an ONNX file for batches of any size.

    Args:
        path: the file.
        network: with its weights; its mode is restored. The graph's inputs have the names of the
            network's own, and are normalised as in training.
        sweeps: number for every block; None: the maximum of its free phase.
        metadata: texts stored in the file.

    Raises:
        InputError: ``onnx`` and ``onnxscript`` are not installed, an op is not available in ONNX,
            there is noise in a free phase or a device, or the file cannot be written.
        StorageError: the disk is full or fails; a file that is there stays as it is.
    """
    _require_packages()
    was_training = network.training
    network.eval()
    try:
        unrolled = with_fixed_sweeps(network, sweeps)
        parameter = next(network.parameters())
        inputs = tuple(
            torch.rand(2, *shape, dtype=parameter.dtype, device=parameter.device)
            for shape in network.inputs.values()
        )
        with torch.no_grad():
            difference = float((unrolled(*inputs) - network(*inputs)).abs().max())
        program = _converted(unrolled, inputs)
    finally:
        network.train(was_training)
    program.model.metadata_props.update(metadata or {})
    save(program, path)
    made = {b.name: sweeps or b.core.settings.free.sweeps for b in network.blocks}
    return Exported(made, difference)


def save(program: Any, path: Path) -> None:
    """Put the file at ``path`` in one step, after the file of weights that a large graph has.

    What a killed process left of an earlier attempt is removed first.
    """
    folder = path.with_name(f".{path.name}.partial")
    with storing(path):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            program.save(str(folder / path.name))
            for made in sorted(folder.iterdir(), key=lambda made: made.name == path.name):
                rename_durably(made, path.with_name(made.name))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _require_packages() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"ONNX files need the package{'s' * (len(missing) > 1)} {' and '.join(missing)}",
            help="pip install 'ffebm[onnx]'",
        )


def _converted(module: HybridNetwork, inputs: Inputs) -> Any:
    decompositions = torch.export.default_decompositions()
    decompositions[torch.ops.aten.avg_pool2d_backward.default] = _spread
    batch = torch.export.Dim("batch")
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    # It warns about operators of torchvision, which are not used here.
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Deprecations inside PyTorch's exporter and its libraries.
            warnings.simplefilter("ignore")
            shapes = {"tensors": tuple({0: batch} for _ in inputs)}
            program = torch.export.export(module, inputs, dynamic_shapes=shapes, strict=False)
            program = program.run_decompositions(decompositions)
            return torch.onnx.export(
                program,
                input_names=list(module.inputs),
                output_names=["logits"],
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        message = " ".join(str(error).split())[-300:]
        raise InputError(
            f"this network has an op that ONNX has no equivalent of: {message}",
            help="use --format safetensors, which takes every network",
        ) from error
    finally:
        logger.setLevel(level)


def _spread(
    gradient: Tensor,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    """The adjoint of average pooling, which ONNX lacks, as a transposed convolution."""
    k, p = [*kernel], [*padding]
    s = [*stride] or k
    weight = gradient.new_full((x.shape[1], 1, *k), 1 / (divisor or k[0] * k[1]))
    more = [
        x.shape[2 + i] - ((gradient.shape[2 + i] - 1) * s[i] - 2 * p[i] + k[i]) for i in range(2)
    ]
    return F.conv_transpose2d(gradient, weight, None, s, p, more, x.shape[1])
