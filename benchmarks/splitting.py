"""One network trained in different ways: by EP and implicit differentiation, and in three splits.

    python benchmarks/splitting.py --data-dir DATA --out RUNS

Two comparisons, both of the paper's network of six layers with reduced width:

- ``estimators``: three blocks of two layers on CIFAR-10, by EP and by implicit differentiation;
- ``splits``: one block of six layers, two of three, three of two, on MNIST (padded to 32 x 32,
  in three equal channels), by EP.

Within a comparison everything else is the same. Each training is a run directory below ``--out``:
finished ones are skipped, and interrupted ones continued. A table goes to stderr, JSON to stdout.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.running.datasets.raw import read_data
from ffebm_dsl.running.records import Record, read

SPECS = Path(__file__).parents[1] / "specs" / "paper"
WIDE_MNIST = "mnist32.npz"


@dataclass(frozen=True)
class Training:
    """One training: the sizes of its blocks, and its differences from the comparison's settings.

    ``own_data``: the data set is written below ``--out``, not found in ``--data-dir``.
    """

    name: str
    comparison: str
    block_size: int
    settings: Mapping[str, str]
    own: Mapping[str, str] = field(default_factory=dict)
    own_data: bool = False

    @property
    def spec(self) -> Path:
        return SPECS / f"split_l6_bs{self.block_size}.ffe"

    @property
    def overrides(self) -> dict[str, str]:
        """The values of ``--set``."""
        return {**self.settings, **self.own}


def _cosine(epochs: int) -> dict[str, str]:
    """One half cosine over all epochs, step by step: short trainings have few epochs."""
    schedule = f"cosine_restarts(period={epochs}, eta_min=1e-5)"
    return {"epochs": str(epochs), "schedule": schedule}


ON_CIFAR10 = {
    "width": "16",
    "slope": "0.5",
    "variance": "6e-3",
    "sweeps": "5",
    "nudged": "3",
    "data.batch": "32",
    "data.augment": "[hflip()]",
    "optimizer.lr": "2e-3",
    **_cosine(5),
}
ON_MNIST = {
    "width": "8",
    # With weights as small as the paper's, hardly any signal reaches the fifth of six layers in
    # one block. Its size is determined by the product of slope and gain; a small slope prevents
    # saturation of the layers.
    "slope": "0.25",
    "init": "kaiming_normal(gain=2)",
    # With half the sweeps, the block of six layers would learn from states far from equilibrium.
    "sweeps": "24",
    "nudged": "10",
    "data": f'npz("{WIDE_MNIST}", batch=32, mean=[0.1], std=[0.275])',
    "optimizer.lr": "1.5e-3",
    **_cosine(3),
}
IMPLICIT = {"gradient": "implicit(tolerance=1e-3, sweeps=10)"}
TRAININGS = (
    Training("cifar10-bs2-ep", "estimators", 2, ON_CIFAR10),
    Training("cifar10-bs2-implicit", "estimators", 2, ON_CIFAR10, IMPLICIT),
    *(Training(f"mnist-bs{n}", "splits", n, ON_MNIST, own_data=True) for n in (6, 3, 2)),
)
COMPARISONS = ("estimators", "splits")


@dataclass(frozen=True)
class SplitResult:
    """Results from a run's record: test accuracy after each epoch, and the time spent."""

    name: str
    comparison: str
    status: str
    steps: int
    seconds: float
    top1: list[float]


def main() -> int:
    options = _options()
    chosen = [t for t in TRAININGS if options.only in (None, t.comparison)]
    for training in chosen:
        _train(training, options)
    results = [r for t in TRAININGS if (r := result(t, options.out)) is not None]
    print(table(results), file=sys.stderr)
    print(json.dumps([asdict(r) for r in results]))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="CIFAR-10 and MNIST")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run directories")
    parser.add_argument("--only", choices=COMPARISONS, help="one of the comparisons")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def _train(training: Training, options: argparse.Namespace) -> None:
    """Start or continue a training, unless it is finished.

    Raises:
        CalledProcessError: ``ffebm train`` failed, or was interrupted.
    """
    known = result(training, options.out)
    if known is not None and known.status == "finished":
        return
    data_dir = options.out if training.own_data else options.data_dir
    if training.own_data and not (options.out / WIDE_MNIST).is_file():
        options.out.mkdir(parents=True, exist_ok=True)
        write_wide_mnist(options.data_dir, options.out / WIDE_MNIST)
    run = options.out / training.name
    common = ["--data-dir", str(data_dir), "--threads", str(options.threads), "--json"]
    if known is not None:
        arguments = ["--resume", str(run), *common]
    else:
        overrides = training.overrides.items()
        sets = [word for key, value in overrides for word in ("--set", f"{key}={value}")]
        arguments = [str(training.spec), "--out", str(run), *common, *sets]
    command = [sys.executable, "-m", "ffebm_dsl", "train", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def write_wide_mnist(data_dir: Path, path: Path) -> None:
    """MNIST in the shape of CIFAR: padded with zeros to 32 x 32, three equal channels."""
    raw = read_data("mnist", {}, data_dir)
    assert raw.test is not None
    np.savez(
        path,
        x_train=wide(raw.train.inputs[0]),
        y_train=raw.train.y,
        x_test=wide(raw.test.inputs[0]),
        y_test=raw.test.y,
    )


def wide(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, 28, 28) to (n, 3, 32, 32)."""
    padded = np.pad(np.asarray(images), ((0, 0), (2, 2), (2, 2)))
    return np.repeat(padded[:, None], 3, axis=1)


def result(training: Training, out: Path) -> SplitResult | None:
    """The result of a training; None before it has started."""
    path = out / training.name / "run.h5"
    if not path.is_file():
        return None
    record = read(path)
    seconds = record["train"]["wall_time"]
    return SplitResult(
        training.name,
        training.comparison,
        str(record.attributes["status"]),
        len(record["train"]),
        float(seconds[-1]) if len(seconds) else 0.0,
        _accuracies(record),
    )


def _accuracies(record: Record) -> list[float]:
    """Top-1 on the whole test set after each epoch."""
    if "eval" not in record.tables:
        return []
    return [float(value) for value in record["eval"]["top1"]]


def table(results: Sequence[SplitResult]) -> str:
    """One row per training, and for each finished comparison the final difference."""
    lines = [f"{'training':<22}{'steps':>7}{'seconds':>9}  test accuracy by epoch"]
    for r in results:
        accuracies = " ".join(f"{value:.2%}" for value in r.top1)
        lines.append(f"{r.name:<22}{r.steps:>7}{r.seconds:>9.0f}  {accuracies}")
    for comparison in COMPARISONS:
        last = [r.top1[-1] for r in results if r.comparison == comparison and _done(r)]
        if len(last) == sum(t.comparison == comparison for t in TRAININGS):
            lines.append(f"{comparison}: {100 * (max(last) - min(last)):.2f} points apart")
    return "\n".join(lines)


def _done(result: SplitResult) -> bool:
    return result.status == "finished" and bool(result.top1)


if __name__ == "__main__":
    sys.exit(main())
