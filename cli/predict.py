"""``ffebm predict``: predictions of a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ffebm_dsl.cli.console import emit, say
from ffebm_dsl.cli.files import require_target
from ffebm_dsl.cli.numbers import LARGEST
from ffebm_dsl.cli.train import CheckpointOption, DeviceOption
from ffebm_dsl.language.diagnostics import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ffebm_dsl.language.ir.model import SpecIR


def predict(
    run: Annotated[Path, typer.Argument(help="A run directory, or a file of `ffebm export`.")],
    data: Annotated[
        Path,
        typer.Argument(
            help="Samples: a .npy file, or an .npz archive with an array `x`; for a network with "
            "several inputs, an .npz archive with an array for each input, of the same name."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Write arrays `output` and, for classes, `prediction` to this file.",
        ),
    ] = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = None,
    batch: Annotated[int, typer.Option(min=1, max=LARGEST, help="Samples per batch.")] = 256,
) -> None:
    """Print the predictions of a trained network as CSV.

    There is one line per sample. Samples have the form of the data set, and are normalised as in
    training. For classes, the one with the largest output is printed, with its probability by
    cross-entropy and its output by another loss; otherwise the outputs.
    """
    if out is not None:
        require_target(out, ".npz")
    if checkpoint is not None and not run.is_dir():
        raise InputError(
            f"{run} is no run directory, and an exported file has one set of weights",
            help="leave --checkpoint out, or give it to `ffebm export`",
        )
    from ffebm_dsl.running.training.denormals import flushing_denormals
    from ffebm_dsl.running.training.environment import choose_device
    from ffebm_dsl.running.training.evaluate_run import network_of_run
    from ffebm_dsl.running.training.prediction import predict, read_samples
    from ffebm_dsl.tools.exporting.network_file import read_network

    with flushing_denormals():
        place = choose_device(device or "auto")
        if run.is_dir():
            network, spec, chosen = network_of_run(run, checkpoint, place, say)
            say(str(chosen))
        else:
            network, spec = read_network(run, place)
        samples = read_samples(data, [end.name for end in spec.model.inputs])
        found = predict(network, spec, samples, batch=batch, name=str(data))
        if out is None:
            _print(found, spec)
        else:
            _save(out, found, spec)


def _is_of_classes(spec: SpecIR) -> bool:
    from ffebm_dsl.language.registry import TARGETS

    return TARGETS[spec.model.target.kind].classes


def _print(found: Iterator[NDArray[Any]], spec: SpecIR) -> None:
    import numpy as np

    from ffebm_dsl.language.registry import LOSSES

    classes, index = _is_of_classes(spec), 0
    softmax = LOSSES[spec.model.losses[0].call.name].softmax
    heads = (
        ["class", "probability" if softmax else "output"]
        if classes
        else [f"output{k}" for k in range(spec.model.target.size)]
    )
    emit(",".join(["index", *heads]))
    for outputs in found:
        for row in outputs:
            if classes:
                top = row.max()
                value = f"{1 / np.exp(row - top).sum():.4f}" if softmax else f"{top:.6g}"
                values = [str(int(row.argmax())), value]
            else:
                values = [f"{value:.6g}" for value in row]
            emit(",".join([str(index), *values]))
            index += 1


def _save(path: Path, found: Iterator[NDArray[Any]], spec: SpecIR) -> None:
    import io

    import numpy as np

    from ffebm_dsl.running.storage import publish

    outputs = np.concatenate(list(found))
    arrays = {"output": outputs}
    if _is_of_classes(spec):
        arrays["prediction"] = outputs.argmax(1)
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    publish(path, content.getvalue())
    emit(f"{path}")
