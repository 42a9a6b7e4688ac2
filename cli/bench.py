"""``ffebm bench``: what a training step costs, against the machine's convolution limit."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ffebm_dsl.cli.console import emit, emit_json, progress_bar
from ffebm_dsl.cli.numbers import LARGEST, MOST_THREADS
from ffebm_dsl.cli.spec import SetOption, SpecArgument, load_spec
from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.diagnostics.fix import did_you_mean

if TYPE_CHECKING:
    from ffebm_dsl.language.ir import Compiled
    from ffebm_dsl.tools.benchmarking.step_costs import Bench, BenchSettings, Spread

QUIET = {"KINETO_LOG_LEVEL": "6", "TORCH_CPP_LOG_LEVEL": "ERROR"}
"""Keeps PyTorch's profiler, which counts the memory, from writing to stderr."""


def bench(
    spec: SpecArgument,
    settings: SetOption = None,
    estimators: Annotated[
        list[str] | None,
        typer.Option(
            "--estimator",
            metavar="NAME",
            help="Time only this estimator. May be repeated. [default: all]",
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(min=1, max=LARGEST, help="Samples per step. [default: the spec's, or 64]"),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, max=LARGEST, help="Timed rounds.")] = 7,
    warm_up: Annotated[int, typer.Option(min=0, max=LARGEST, help="Warm-up rounds.")] = 2,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Seed of weights and batch.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    threads: Annotated[
        int, typer.Option(min=0, max=MOST_THREADS, help="CPU threads; 0: torch decides.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Time a training step with each gradient estimator.

    The convolutions alone (the floor), and backpropagation through the same layers without
    feedback, are timed for comparison. Weights and batch are random. A step is a forward and a
    backward pass.
    """
    asked = _known(estimators or [])
    compiled = load_spec(spec, settings)
    os.environ.update(QUIET | os.environ)
    numbers = batch or _own_batch(compiled), repeats, warm_up, seed
    chosen = _settings(numbers, asked, device, dtype, threads)
    result = _measure(compiled, chosen)
    if as_json:
        emit_json(to_record(compiled.source.name, chosen, result))
        return
    emit("\n".join(table(compiled.source.name, chosen, result)))


def _known(estimators: list[str]) -> tuple[str, ...]:
    """The estimators asked for, each once.

    Raises:
        InputError: there is no such estimator.
    """
    from ffebm_dsl.language.registry import GRADIENTS

    for name in estimators:
        if name not in GRADIENTS:
            raise InputError(
                f"--estimator {name}: no such estimator", help=did_you_mean(name, GRADIENTS)
            )
    return tuple(dict.fromkeys(estimators))


def _own_batch(compiled: Compiled) -> int:
    train = compiled.spec.train
    own = train.data.arguments.get("batch") if train is not None else None
    return own or 64


def _settings(
    numbers: tuple[int, int, int, int],
    estimators: tuple[str, ...],
    device: str,
    dtype: str,
    threads: int,
) -> BenchSettings:
    import torch

    from ffebm_dsl.running.training.environment import choose_device, choose_dtype
    from ffebm_dsl.tools.benchmarking.step_costs import BenchSettings

    if threads:
        torch.set_num_threads(threads)
    return BenchSettings(*numbers, estimators, choose_dtype(dtype), choose_device(device))


def _measure(compiled: Compiled, settings: BenchSettings) -> Bench:
    from ffebm_dsl.running.allocation import keep_freed_memory
    from ffebm_dsl.tools.benchmarking.step_costs import bench as run

    keep_freed_memory()
    with progress_bar("bench", "round") as progress:
        return run(compiled.spec, settings, progress)


def to_record(name: str, settings: BenchSettings, result: Bench) -> dict[str, Any]:
    """The measurement as plain values for JSON: seconds, bytes, sweeps."""
    from dataclasses import asdict

    return {
        "file": name,
        "batch": settings.batch,
        "repeats": settings.repeats,
        **_machine(settings),
        "floor": {"seconds": asdict(result.floor)},
        "backprop": result.backprop and {"seconds": asdict(result.backprop)},
        "estimators": {kind: asdict(cost) for kind, cost in result.estimators.items()},
    }


def _machine(settings: BenchSettings) -> dict[str, str | int]:
    import torch

    from ffebm_dsl.running.training.environment import device_name

    return {
        "dtype": str(settings.dtype).removeprefix("torch."),
        "device": device_name(settings.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def table(name: str, settings: BenchSettings, result: Bench) -> list[str]:
    """The measurement as lines for a terminal."""
    machine = _machine(settings)
    threads = int(machine["threads"])
    width = max(map(len, ["estimator", *result.estimators]))
    rows = [
        f"{name}: batch {settings.batch}, {machine['dtype']}, {machine['device']}, "
        f"{threads} thread{'s' * (threads > 1)}, median of {settings.repeats} (least to greatest)",
        "",
        f"{'estimator':{width}} {'seconds a step':28} {'x floor':>8} {'x backprop':>10} "
        f"{'peak memory':>12}  sweeps",
        f"{'floor':{width}} {_seconds(result.floor):28} {1:8.2f}",
    ]
    if result.backprop is not None:
        rows.append(f"{'backprop':{width}} {_seconds(result.backprop):28} {'':8} {1:10.2f}")
    for kind, cost in result.estimators.items():
        sweeps = ", ".join(
            f"{count:.1f} {phase}" + _accelerated(cost.accelerated[phase])
            for phase, count in cost.sweeps.items()
        )
        rows.append(
            f"{kind:{width}} {_seconds(cost.seconds):28} {cost.ratio.median:8.2f} "
            f"{'' if cost.over_backprop is None else f'{cost.over_backprop.median:.2f}':>10} "
            f"{cost.peak_bytes / 2**20:8.1f} MiB  {sweeps}"
        )
    return rows


def _accelerated(part: float) -> str:
    return f" ({part:.0%} accelerated)" if part else ""


def _seconds(spread: Spread) -> str:
    return f"{spread.median:.4f} ({spread.least:.4f} to {spread.greatest:.4f})"
