"""``ffebm export``: a trained network as one file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ffebm_dsl.cli.console import emit, say
from ffebm_dsl.cli.files import require_target
from ffebm_dsl.cli.numbers import LARGEST
from ffebm_dsl.cli.train import CheckpointOption
from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.run_directory import open_run


class Format(StrEnum):
    """A file format of networks."""

    SAFETENSORS = "safetensors"
    ONNX = "onnx"


def export(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    out: Annotated[
        Path | None, typer.Option(help="Output file. [default: RUN.safetensors or RUN.onnx]")
    ] = None,
    format: Annotated[Format, typer.Option(help="Format of the file.")] = Format.SAFETENSORS,
    checkpoint: CheckpointOption = None,
    sweeps: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=LARGEST,
            help="onnx: sweeps of every block. [default: the largest number of its free phase]",
        ),
    ] = None,
) -> None:
    """Write a trained network to one file.

    safetensors: weights and spec, for `ffebm_dsl.load` and `ffebm predict`. onnx: a graph for
    inference with a fixed number of sweeps, whose inputs are normalised samples.
    """
    if sweeps is not None and format is not Format.ONNX:
        raise InputError("--sweeps goes with --format onnx", help="leave it out")
    open_run(run)
    target = out or Path(f"{run.resolve().name}.{format}")
    require_target(target, f".{format}")
    from ffebm_dsl.running.training.evaluate_run import network_of_run

    network, spec, chosen = network_of_run(run, checkpoint, "cpu", say)
    say(str(chosen))
    if format is Format.SAFETENSORS:
        from ffebm_dsl.tools.exporting.network_file import write_network

        write_network(target, network, spec)
        emit(f"{target}")
        return
    from ffebm_dsl.language.interchange.load import to_text
    from ffebm_dsl.tools.exporting.onnx_file import write_onnx

    found = write_onnx(target, network, sweeps=sweeps, metadata={"spec": to_text(spec)})
    made = ", ".join(f"{name} {count}" for name, count in found.sweeps.items())
    say(f"sweeps: {made}; outputs differ from the network's own by {found.difference:.2g} at most")
    emit(f"{target}")
