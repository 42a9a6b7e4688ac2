"""One network, split and trained in different ways, side by side: CIFAR-10.

    python benchmarks/splitting.py --data-dir DATA --out RUNS

Trains the six-layer network of the paper, reduced in width, as one energy block of six
layers, two of three and three of two by EP, and the last by implicit differentiation too.
Everything but the split, the sweeps that it needs and the estimator is the same. Each
training is a run directory below ``--out``: what is finished is not done again, what was
interrupted goes on. A table goes to stderr, JSON to stdout.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from ffebm_dsl.records import Record, read

SPECS = Path(__file__).parents[1] / "specs" / "paper"

SETTINGS = {
    "width": "16",
    "slope": "0.5",
    "variance": "6e-3",
    "data.batch": "64",
    "data.augment": "[hflip()]",
    "optimizer.lr": "3e-3",
}
"""Of every training; ``--set`` on the command line adds to them."""


@dataclass(frozen=True)
class Training:
    """One training: its split, its estimator, and the sweeps that its blocks need.

    In a sweep a signal passes two layers, so deeper blocks are given more of them.
    """

    name: str
    block_size: int
    sweeps: int
    nudged: int
    gradient: str = ""

    @property
    def spec(self) -> Path:
        return SPECS / f"split_l6_bs{self.block_size}.ffe"

    def settings(self, epochs: int) -> dict[str, str]:
        # One half cosine over all epochs, step by step: short trainings have few epochs.
        schedule = f"cosine_restarts(period={epochs}, eta_min=1e-5)"
        own = {"sweeps": str(self.sweeps), "nudged": str(self.nudged)}
        own |= {"gradient": self.gradient} if self.gradient else {}
        return {**SETTINGS, "epochs": str(epochs), "schedule": schedule, **own}


TRAININGS = (
    Training("bs2-ep", 2, 5, 3),
    Training("bs2-implicit", 2, 5, 3, "implicit(tolerance=1e-3, sweeps=10)"),
    Training("bs3-ep", 3, 6, 3),
    Training("bs6-ep", 6, 8, 4),
)


@dataclass(frozen=True)
class Result:
    """What a run's record says: test accuracy after each epoch, and the time spent."""

    name: str
    block_size: int
    estimator: str
    status: str
    steps: int
    seconds: float
    top1: list[float]


def main() -> int:
    options = _options()
    chosen = [t for t in TRAININGS if not options.only or t.name in options.only]
    settings = dict(setting.split("=", 1) for setting in options.settings)
    for training in chosen:
        _train(training, options, settings)
    results = [r for t in TRAININGS if (r := _result(t, options.out)) is not None]
    print(table(results), file=sys.stderr)
    print(json.dumps({"settings": {**SETTINGS, **settings}, "results": [*map(asdict, results)]}))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="folder with CIFAR-10")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run directories")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--only", action="append", choices=[t.name for t in TRAININGS], help="may be repeated"
    )
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="KEY=VALUE",
        help="as of ffebm train; for every training",
    )  # fmt: skip
    return parser.parse_args()


def _train(training: Training, options: argparse.Namespace, settings: dict[str, str]) -> None:
    """Start a training, or go on with it; nothing where it is done.

    Raises:
        CalledProcessError: ``ffebm train`` failed, or was interrupted.
    """
    run = options.out / training.name
    known = _result(training, options.out)
    if known is not None and known.status == "finished":
        return
    common = ["--data-dir", str(options.data_dir), "--threads", str(options.threads), "--json"]
    if known is not None:
        arguments = ["--resume", str(run), *common]
    else:
        values = {**training.settings(options.epochs), **settings}
        sets = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
        arguments = [str(training.spec), "--out", str(run), *common, *sets]
    command = [sys.executable, "-m", "ffebm_dsl", "train", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _result(training: Training, out: Path) -> Result | None:
    """What the training has come to; None where it has not begun."""
    path = out / training.name / "run.h5"
    if not path.is_file():
        return None
    record = read(path)
    seconds = record["train"]["wall_time"]
    return Result(
        training.name,
        training.block_size,
        training.gradient.split("(")[0] or "ep",
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


def table(results: list[Result]) -> str:
    """A line for each training, and how far the accuracies lie apart."""
    lines = [f"{'training':<14}{'blocks':>8}{'steps':>8}{'seconds':>9}  test accuracy by epoch"]
    for r in results:
        accuracies = " ".join(f"{value:.2%}" for value in r.top1)
        blocks = f"{6 // r.block_size} x {r.block_size}"
        lines.append(f"{r.name:<14}{blocks:>8}{r.steps:>8}{r.seconds:>9.0f}  {accuracies}")
    last = {r.name: r.top1[-1] for r in results if r.top1 and r.status == "finished"}
    for what, names in (
        ("EP against implicit", ("bs2-ep", "bs2-implicit")),
        ("splits by EP", ("bs2-ep", "bs3-ep", "bs6-ep")),
    ):
        if all(name in last for name in names):
            values = [last[name] for name in names]
            lines.append(f"{what}: {100 * (max(values) - min(values)):.2f} points apart")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
