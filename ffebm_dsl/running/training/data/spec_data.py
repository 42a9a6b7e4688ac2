"""The data set of a spec, with what does not fit its model reported in its text."""

from __future__ import annotations

import torch

from ffebm_dsl.language.diagnostics import AnyPath, Diagnostic, InputError, SpecError
from ffebm_dsl.language.ir import Compiled
from ffebm_dsl.running.datasets.raw import Raw
from ffebm_dsl.running.training.data.dataset import Data, load
from ffebm_dsl.running.training.data.sample_checks import DataMisfit


def data_of(
    compiled: Compiled,
    data_dir: AnyPath | None,
    device: torch.device,
    dtype: torch.dtype,
    made: Raw | None = None,
) -> Data:
    """:func:`ffebm_dsl.running.training.data.load` for a compiled spec.

    Raises:
        SpecError: samples or targets that do not fit the model, with the place of what they do not
            fit (``FFE5002``, ``FFE5003``).
        InputError: no train section, or missing, damaged or unsuitable data.
    """
    plan = compiled.spec.train
    if plan is None:
        raise InputError(
            f"{compiled.source.name} has no train section",
            help="add one: train { data = ...  optimizer = ...  epochs = ... }",
        )
    try:
        return load(plan.data, compiled.spec.model, data_dir, device, dtype, made)
    except DataMisfit as misfit:
        diagnostic = Diagnostic(
            misfit.code,
            misfit.message,
            compiled.source,
            compiled.places[misfit.part],
            help=misfit.help,
        )
        raise SpecError([diagnostic]) from misfit
