"""The data set of a spec, as ``ffebm check`` looks at it before it measures anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ffebm_dsl.cli.console import emit, say
from ffebm_dsl.language.diagnostics import Piece, Role

if TYPE_CHECKING:
    from ffebm_dsl.language.ir import Compiled
    from ffebm_dsl.running.training.data import Data

AT_MOST = 1 << 26
"""Bytes of a file that is read without being asked for: about a second."""

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the spec's data set, which is read and compared with the model. "
        "[default: data, if the spec names a file of at most 64 MiB in it; with --transients, "
        "random inputs are used instead]",
        show_default=False,
    ),
]


def read_data(compiled: Compiled, data_dir: Path | None) -> Data | None:
    """The data set, read as training does; None where none is looked at.

    Without ``data_dir`` only a small file of the user's is, in the folder that training uses.

    Raises:
        SpecError: samples or targets that do not fit the model.
        InputError: no train section, or missing, damaged or unsuitable data.
    """
    folder = data_dir or _usual_folder(compiled)
    if folder is None:
        return None
    import torch

    from ffebm_dsl.running.training.data import data_of

    return data_of(compiled, folder, torch.device("cpu"), torch.float32)


def _usual_folder(compiled: Compiled) -> Path | None:
    """The default folder, if the spec names a file, and a small one is there."""
    plan = compiled.spec.train
    path = plan.data.arguments.get("path") if plan is not None else None
    if path is None:
        return None
    from ffebm_dsl.running.datasets.arrays import place_of
    from ffebm_dsl.running.training.job import DATA_DIR

    file = place_of(path, DATA_DIR)
    if not file.is_file():
        return None
    if file.stat().st_size > AT_MOST:
        say(f"note: {file} is large and was not looked at; --data-dir {DATA_DIR} reads it")
        return None
    return DATA_DIR


def print_data(data: Data) -> None:
    """Say what was read, and warn of what is suspicious in it."""
    for warning in data.warnings:
        say(Piece("warning", Role.WARNING), f": {warning}")
    sizes = ", ".join(f"{size} {name}" for name, size in _sizes(data).items() if size)
    files = f" ({', '.join(data.files)})" if data.files else ""
    emit(f"data {data.name}{files}: {sizes} samples fit the model\n")


def data_record(data: Data | None) -> dict[str, object]:
    """The same for JSON, under the key ``data``; null where nothing was looked at."""
    if data is None:
        return {"data": None}
    sizes = {f"{name}_samples": size for name, size in _sizes(data).items()}
    found = {"name": data.name, "files": list(data.files), **sizes}
    return {"data": {**found, "warnings": list(data.warnings)}}


def _sizes(data: Data) -> dict[str, int]:
    sets = {"training": data.train, "validation": data.validation, "test": data.test}
    return {name: 0 if found is None else len(found) for name, found in sets.items()}
