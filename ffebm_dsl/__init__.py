"""ffebm: a compiler for feedforward-tied energy-based models.

>>> import ffebm_dsl
>>> network = ffebm_dsl.load("digits.ffe", width=64)      # a torch.nn.Module

>>> from ffebm_dsl import Coupling, Drive, EnergyBlock, HopfieldEnergy, Layer, Linear, Tanh
>>> layers = [Layer("s1", (32,), Tanh()), Layer("s2", (16,), Tanh())]
>>> couplings = {"s1_s2": Coupling(0, 1, {"linear": Linear((32,), 16)})}
>>> block = EnergyBlock(HopfieldEnergy(layers, couplings, {"u": Drive(0)}), outputs=[1])

Importing this package imports neither torch nor the parser: the functions below import them when
called, and everything else when it is first accessed.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ffebm_dsl.language.diagnostics import (
    Diagnostic,
    FfebmError,
    InputError,
    NegativeResult,
    SourceFile,
    SpecError,
    Stopped,
    StorageError,
    render,
)

if TYPE_CHECKING:
    import torch

    from ffebm_dsl.constructs.activations.clipped_relu import ClippedRelu
    from ffebm_dsl.constructs.activations.diode import Diode
    from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
    from ffebm_dsl.constructs.activations.identity import Identity
    from ffebm_dsl.constructs.activations.relu import Relu
    from ffebm_dsl.constructs.activations.sigmoid import Sigmoid
    from ffebm_dsl.constructs.activations.tanh import Tanh
    from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
    from ffebm_dsl.constructs.gradients.implicit import Implicit
    from ffebm_dsl.constructs.gradients.unrolled import Unrolled
    from ffebm_dsl.constructs.ops.avg_pool2d import AvgPool2d
    from ffebm_dsl.constructs.ops.conv2d import Conv2d
    from ffebm_dsl.constructs.ops.flatten import Flatten
    from ffebm_dsl.constructs.ops.linear import Linear
    from ffebm_dsl.constructs.ops.max_pool2d import MaxPool2d
    from ffebm_dsl.constructs.ops.softmax_pool2d import SoftmaxPool2d
    from ffebm_dsl.language.diagnostics import AnyPath
    from ffebm_dsl.language.ir import Compiled, read_source
    from ffebm_dsl.language.ir.model import SpecIR
    from ffebm_dsl.language.registry import register
    from ffebm_dsl.physics.energy import Coupling, Drive, Energy, HopfieldEnergy, ResistiveEnergy
    from ffebm_dsl.physics.interfaces import Layer, PhaseSettings, Relaxation, Sweeps
    from ffebm_dsl.physics.network import BlockSettings, EnergyBlock, HybridNetwork

__version__ = "0.2.0"

__all__ = [
    "AvgPool2d",
    "BlockSettings",
    "ClippedRelu",
    "Conv2d",
    "Coupling",
    "Diagnostic",
    "Diode",
    "Drive",
    "Energy",
    "EnergyBlock",
    "EquilibriumPropagation",
    "FfebmError",
    "Flatten",
    "HardSigmoid",
    "HopfieldEnergy",
    "Identity",
    "Implicit",
    "InputError",
    "Layer",
    "Linear",
    "MaxPool2d",
    "NegativeResult",
    "PhaseSettings",
    "Relaxation",
    "Relu",
    "ResistiveEnergy",
    "Sigmoid",
    "SoftmaxPool2d",
    "SourceFile",
    "SpecError",
    "Stopped",
    "StorageError",
    "Sweeps",
    "Tanh",
    "Unrolled",
    "__version__",
    "compile_spec",
    "load",
    "read_source",
    "register",
    "render",
]

_PARTS = {
    name: module
    for module, names in {
        "constructs.activations.clipped_relu": "ClippedRelu",
        "constructs.activations.diode": "Diode",
        "constructs.activations.hard_sigmoid": "HardSigmoid",
        "constructs.activations.identity": "Identity",
        "constructs.activations.relu": "Relu",
        "constructs.activations.sigmoid": "Sigmoid",
        "constructs.activations.tanh": "Tanh",
        "constructs.gradients.ep": "EquilibriumPropagation",
        "constructs.gradients.implicit": "Implicit",
        "constructs.gradients.unrolled": "Unrolled",
        "constructs.ops.avg_pool2d": "AvgPool2d",
        "constructs.ops.conv2d": "Conv2d",
        "constructs.ops.flatten": "Flatten",
        "constructs.ops.linear": "Linear",
        "constructs.ops.max_pool2d": "MaxPool2d",
        "constructs.ops.softmax_pool2d": "SoftmaxPool2d",
        "language.ir": "read_source",
        "language.registry": "register",
        "physics.energy": "Coupling Drive Energy HopfieldEnergy ResistiveEnergy",
        "physics.interfaces": "Layer PhaseSettings Relaxation Sweeps",
        "physics.network": "BlockSettings EnergyBlock",
    }.items()
    for name in names.split()
}
"""What this package exports and imports on first access: parts of energy blocks, above all."""

if not TYPE_CHECKING:  # A type checker would accept any name as an attribute.

    def __getattr__(name: str) -> object:
        """What the package exports by name alone, imported on first access."""
        if name not in _PARTS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_PARTS[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_PARTS})


def compile_spec(
    source: SourceFile,
    overrides: Mapping[str, str] = MappingProxyType({}),
    *,
    allow_large: bool = False,
) -> Compiled:
    """Parse, resolve and check a spec; nothing is built.

    Args:
        source: the text: of the language, or YAML or JSON if its name ends in ``.yaml``, ``.yml``
            or ``.json``.
        overrides: values, in the language's own notation, for ``param`` declarations and
            keys of ``train``: ``{"width": "64", "optimizer.lr": "1e-3"}``.
        allow_large: accept a network over :data:`ffebm_dsl.language.ir.check.budget.BUDGET`.

    Raises:
        SpecError: the spec has faults; it contains all of them.
        InputError: invalid YAML or JSON, or no network in it.
    """
    from ffebm_dsl.language.interchange import compile_source
    from ffebm_dsl.language.ir import BUDGET

    return compile_source(source, overrides, None if allow_large else BUDGET)


def load(
    spec: AnyPath | SourceFile | Compiled | SpecIR,
    /,
    *,
    seed: int = 0,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    allow_large: bool = False,
    checkpoint: AnyPath | None = None,
    **params: bool | int | float | str,
) -> HybridNetwork:
    """The network of a spec, newly initialised, or of a run, with its trained weights.

    ``network(x)`` returns logits (B, K) for ``x`` (B, *input shape); a loss of the logits, averaged
    over the batch, backpropagates through the maps and, with each block's gradient estimator,
    through the energy blocks.

    Args:
        spec: path of a spec (``.ffe``, ``.yaml``, ``.json``), of a run directory, or of a file of
            ``ffebm export`` (``.safetensors``); or the text of a spec, which contains a newline;
            or the result of :func:`read_source` or :func:`compile_spec`.
        seed: seed of the weights. They depend on it alone: ``torch.manual_seed`` has no effect.
        dtype: of parameters and states; None for ``torch.float32``, or the dtype of the run.
        device: of parameters and states.
        allow_large: accept a network over :data:`ffebm_dsl.language.ir.check.budget.BUDGET`.
        checkpoint: of a run: ``best``, ``last``, or the path of a checkpoint. None for the best
            weights if a validation set found them, else the last, as in every command.
        params: values for the spec's ``param`` declarations.

    Raises:
        InputError: the file cannot be read; ``seed`` or ``params`` are given although already
            determined: ``params`` for a compiled spec, either for a run; or ``checkpoint`` is given
            for anything but a run.
        SpecError: the spec is wrong, a value is outside its ``param``'s domain, or the network
            is too large.

    The spec's warnings are issued as Python warnings.
    """
    if isinstance(spec, str) and "\n" in spec:
        spec = SourceFile("<string>", spec)
    of_run = isinstance(spec, str | os.PathLike) and Path(spec).is_dir()
    if checkpoint is not None and not of_run:
        raise InputError(
            "only a run directory has checkpoints to choose from", help="leave `checkpoint` out"
        )
    if isinstance(spec, str | os.PathLike):
        if of_run or Path(spec).suffix == ".safetensors":
            return _trained(spec, checkpoint, params, seed, dtype, device)
        from ffebm_dsl.language.ir import read_source

        spec = read_source(spec)
    if not isinstance(spec, SourceFile):
        _refuse(params, "a compiled spec", "give them to `compile_spec`")
        ir = spec.spec if hasattr(spec, "spec") else spec
        return _built(ir, seed, dtype, device)
    overrides = {name: _literal(value) for name, value in params.items()}
    compiled = compile_spec(spec, overrides, allow_large=allow_large)
    for warning in compiled.warnings:
        warnings.warn(render(warning), stacklevel=2)
    return _built(compiled.spec, seed, dtype, device)


def _built(
    spec: SpecIR, seed: int, dtype: torch.dtype | None, device: str | torch.device
) -> HybridNetwork:
    import torch

    from ffebm_dsl.build import build

    return build(spec, seed=seed, dtype=dtype or torch.float32, device=device)


def _trained(
    run: AnyPath,
    checkpoint: AnyPath | None,
    params: Mapping[str, object],
    seed: int,
    dtype: torch.dtype | None,
    device: str | torch.device,
) -> HybridNetwork:
    given = {"seed": seed, **params} if seed else params
    _refuse(given, "a trained network", "load its spec for a network of other values")
    if Path(run).is_dir():
        from ffebm_dsl.running.training import network_of_run

        def warn(text: str) -> None:
            warnings.warn(text, stacklevel=8)

        network = network_of_run(run, checkpoint, device, warn).network
    else:
        from ffebm_dsl.tools.exporting.network_file import read_network

        network, _ = read_network(Path(run), device)
    return network if dtype is None else network.to(dtype)


def _refuse(given: Mapping[str, object], what: str, help: str) -> None:
    if given:
        raise InputError(f"{what} has its own value of `{next(iter(given))}`", help=help)


def _literal(value: bool | int | float | str) -> str:
    """A Python value in the notation of the language."""
    return str(value).lower() if isinstance(value, bool) else str(value)
