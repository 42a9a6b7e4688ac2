"""``ffebm eval``: how well a trained network does, from its run directory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ffebm_dsl.cli.console import emit, emit_json, say
from ffebm_dsl.cli.numbers import LARGEST, seconds
from ffebm_dsl.cli.spec import parse_settings
from ffebm_dsl.cli.train import (
    CheckpointOption,
    DataDirOption,
    DeviceOption,
    ThreadsOption,
    figures,
)
from ffebm_dsl.language.diagnostics import InputError

if TYPE_CHECKING:
    from ffebm_dsl.running.training import OtherDevice
    from ffebm_dsl.running.training.evaluate_run import EvaluatedCheckpoint

DeviceSeedOption = Annotated[
    int | None,
    typer.Option(min=0, max=LARGEST, help="Seed that selects the device. [default: the spec's]"),
]
AfterOption = Annotated[
    float | None,
    typer.Option(
        parser=seconds, metavar="SECONDS", help="Time for which its weights have drifted."
    ),
]


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    checkpoint: CheckpointOption = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="validation|test",
            help="Set to evaluate on. [default: test, or validation if there is no test set]",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    device: DeviceOption = None,
    batch: Annotated[
        int | None,
        typer.Option(min=1, max=LARGEST, help="Samples per batch. [default: as in training]"),
    ] = None,
    threads: ThreadsOption = None,
    hardware: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|ideal",
            help="Hardware to evaluate on, by its name in the spec. [default: as in training]",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PARAM=VALUE",
            help="Value of a param that the hardware depends on. [default: as in training]",
        ),
    ] = None,
    device_seed: DeviceSeedOption = None,
    after: AfterOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Evaluate a checkpoint of a run on its test or validation set."""
    if on not in (None, "validation", "test"):
        raise InputError(f"--on {on}: not a set", help="--on validation or --on test")
    from ffebm_dsl.running.run_directory import open_run

    # Torch takes seconds to import: a folder that is not a run is reported before.
    open_run(run)
    from ffebm_dsl.running.training import Options, OtherDevice, evaluate_run

    options = Options(data_dir=data_dir, device=device, threads=threads)
    other = OtherDevice(hardware, device_seed, after, parse_settings(settings))
    found = evaluate_run(run, checkpoint, options, batch, say, on, other)
    if as_json:
        emit_json({"run": str(run), **_record(found, other)})
    else:
        _print(found, other)


def _record(found: EvaluatedCheckpoint, other: OtherDevice) -> dict[str, object]:
    chosen = {
        "hardware": other.name,
        "set": dict(other.settings),
        "device_seed": other.seed,
        "after": other.after,
    }
    return {
        "checkpoint": str(found.chosen.path),
        "step": found.chosen.step,
        "which": found.chosen.which,
        **(chosen if other.changes else {}),
        **figures(found.result),
    }


def _print(found: EvaluatedCheckpoint, other: OtherDevice) -> None:
    result = found.result
    emit(f"{found.chosen}, {result.samples} {result.on} samples")
    if other.changes:
        emit(f"on hardware {other}")
    for name, value in (("top-1", result.top1), ("top-5", result.top5)):
        if not math.isnan(value):
            emit(f"{name} accuracy {value:.2%}")
    emit(f"loss {result.loss:.4f}")
    for block, sweeps in result.sweeps.items():
        emit(f"block {block}: {sweeps:.1f} sweeps in the free phase")
