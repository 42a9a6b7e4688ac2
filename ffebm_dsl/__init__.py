"""ffebm: a compiler for feedforward-tied energy-based models.

>>> import ffebm_dsl
>>> network = ffebm_dsl.load("digits.ffe", width=64)      # a torch.nn.Module

Importing this package imports neither torch nor the parser: the functions below do when
they are called.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
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

    from ffebm_dsl.language.ir import Compiled
    from ffebm_dsl.language.registry import Construct
    from ffebm_dsl.physics.network import HybridNetwork

__version__ = "0.1.0"

__all__ = [
    "Diagnostic",
    "FfebmError",
    "InputError",
    "NegativeResult",
    "SourceFile",
    "SpecError",
    "Stopped",
    "StorageError",
    "__version__",
    "compile_spec",
    "load",
    "read_source",
    "register",
    "render",
]


def read_source(path: str | os.PathLike[str]) -> SourceFile:
    """The text of a spec.

    Raises:
        InputError: no such file, a directory, not UTF-8 text, or larger than a spec may be.
    """
    from ffebm_dsl.language import ir

    return ir.read_source(path)


def register(construct: Construct, table: str) -> None:
    """Enter a construct into a table of this process: for notebooks and tests.

    A construct that others are to use belongs into a package that they can install.

    Args:
        construct: of the class that the table takes, such as
            :class:`ffebm_dsl.language.registry.OpConstruct` for ``ops``.
        table: a name of :data:`ffebm_dsl.language.registry.TABLES`.

    Raises:
        KeyError: there is no such table.
        TypeError: the construct is of another class.
        ValueError: the name is taken.
    """
    from ffebm_dsl.language import registry

    registry.register(construct, table)


def compile_spec(
    source: SourceFile,
    overrides: Mapping[str, str] = MappingProxyType({}),
    *,
    allow_large: bool = False,
) -> Compiled:
    """Parse, resolve and check a spec; nothing is built.

    Args:
        source: the text.
        overrides: values, in the language's own notation, for ``param`` declarations and
            keys of ``train``: ``{"width": "64", "optimizer.lr": "1e-3"}``.
        allow_large: accept a network over :data:`ffebm_dsl.language.ir.budget.BUDGET`.

    Raises:
        SpecError: with every fault that was found.
    """
    from ffebm_dsl.language import ir

    return ir.compile_spec(source, overrides, None if allow_large else ir.BUDGET)


def load(
    spec: str | os.PathLike[str],
    /,
    *,
    seed: int = 0,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    allow_large: bool = False,
    **params: bool | int | float | str,
) -> HybridNetwork:
    """The network of a spec, freshly initialised.

    ``network(x)`` gives logits (B, K) for ``x`` (B, *input shape); a loss taken of them
    and averaged over the batch backpropagates through the maps and, by each block's
    gradient estimator, through the energy blocks.

    Args:
        spec: path of an ``.ffe`` file, or the text of a spec if it contains a newline.
        seed: from which the weights are drawn.
        dtype: of parameters and states; None for ``torch.float32``.
        device: where parameters and states live.
        allow_large: accept a network over :data:`ffebm_dsl.language.ir.budget.BUDGET`.
        params: values for the spec's ``param`` declarations.

    Raises:
        InputError: the file cannot be read.
        SpecError: the spec is wrong, a value is outside its ``param``'s domain, or the network
            is too large.

    The spec's warnings are issued as Python warnings.
    """
    import torch

    from ffebm_dsl.build import build

    is_text = isinstance(spec, str) and "\n" in spec
    source = SourceFile("<string>", str(spec)) if is_text else read_source(spec)
    overrides = {name: _literal(value) for name, value in params.items()}
    compiled = compile_spec(source, overrides, allow_large=allow_large)
    for warning in compiled.warnings:
        warnings.warn(render(warning), stacklevel=2)
    return build(compiled.spec, seed=seed, dtype=dtype or torch.float32, device=device)


def _literal(value: bool | int | float | str) -> str:
    """A Python value as the language writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
