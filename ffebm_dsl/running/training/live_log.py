"""``ffebm train --log``: steps and evaluations for other programs, during training.

These files are copies of numbers in the record; they may be deleted and are never read back.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, TextIO

from ffebm_dsl.language.diagnostics import InputError, cannot_write
from ffebm_dsl.language.ir.tools.dump import to_json_dict
from ffebm_dsl.running.records import EVAL, TEST, TRAIN, Group, RecordTable
from ffebm_dsl.running.training.progress import Progress, Row
from ffebm_dsl.running.training.session import Session

LOGS: Mapping[str, str] = {"csv": "", "tensorboard": "tensorboard", "wandb": "wandb"}
"""The kinds of ``--log``, with the optional package that each needs."""


class _Log(Progress):
    """Writes the numbers of the record's rows as they are appended."""

    def write(self, what: str, row: Row) -> None:
        """``what`` is ``train``, ``validation`` or ``test``."""
        raise NotImplementedError

    def step(self, row: Row) -> None:
        self.write("train", row)

    def evaluated(self, text: str, on: str, row: Row) -> None:
        self.write(on, row)

    def tested(self, row: Row) -> None:
        self.write("test", row)


class CsvLog(_Log):
    """``RUN/csv/train.csv``, ``validation.csv``, ``test.csv``, with the columns of the record.

    On resumption they are rewritten from the record, which contains every step so far.
    """

    def __init__(self, session: Session) -> None:
        self._folder = session.directory.path / "csv"
        self._files: dict[str, TextIO] = {}
        tables = session.record.tables
        judged_on = session.record.attributes["evaluated_on"]
        sources = [("test", TEST), (judged_on, EVAL), ("train", TRAIN)]
        self._columns = {what: _numbers(group) for what, group in sources}
        try:
            self._folder.mkdir(exist_ok=True)
            for what, group in sources:
                (self._folder / f"{what}.csv").unlink(missing_ok=True)
                for row in _rows(tables.get(group.name), self._columns[what]):
                    self.write(what, row)
        except OSError as error:
            raise cannot_write(self._folder, error) from error

    def write(self, what: str, row: Row) -> None:
        columns = self._columns[what]
        try:
            if what not in self._files:
                path = self._folder / f"{what}.csv"
                # Line-buffered, so that a reader sees every completed step.
                self._files[what] = path.open("w", encoding="utf-8", buffering=1)
                self._files[what].write(",".join(columns) + "\n")
            self._files[what].write(",".join(str(row[name]) for name in columns) + "\n")
        except OSError as error:
            raise cannot_write(self._folder / f"{what}.csv", error) from error

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def _numbers(group: Group) -> list[str]:
    """The columns of a group with a single number per row."""
    return [field.name for field in group.columns if len(field.dims) == 1]


def _rows(table: RecordTable | None, columns: Sequence[str]) -> list[dict[str, Any]]:
    if table is None:
        return []
    return [{name: table[name][i].item() for name in columns} for i in range(len(table))]


class TensorBoardLog(_Log):
    """``RUN/tensorboard``: steps that a resumed run repeats replace the earlier ones."""

    def __init__(self, session: Session) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = str(session.directory.path / "tensorboard")
        self._writer = SummaryWriter(folder, purge_step=session.position.step + 1)

    def write(self, what: str, row: Row) -> None:
        for name, value in _curves(row).items():
            self._writer.add_scalar(f"{what}/{name}", value, row["step"])

    def close(self) -> None:
        self._writer.close()


class WandbLog(_Log):
    """A Weights & Biases run whose name and id are those of the run directory."""

    def __init__(self, session: Session) -> None:
        import wandb

        name = session.record.attributes["run_id"]
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "ffebm"),
                id=name,
                name=name,
                dir=str(session.directory.path),
                config=to_json_dict(session.job.spec),
                resume="allow",
            )
        except wandb.Error as error:
            raise InputError(
                f"--log wandb: {error}",
                help="log in (wandb login) or keep it here (WANDB_MODE=offline), then go on with: "
                f"ffebm train --resume {session.directory.path} --log wandb",
            ) from error
        # A step metric of our own: wandb drops values of steps before the latest one.
        self._run.define_metric("*", step_metric="step")

    def write(self, what: str, row: Row) -> None:
        curves = {f"{what}/{name}": value for name, value in _curves(row).items()}
        self._run.log({"step": row["step"], **curves})

    def close(self) -> None:
        self._run.finish()


def _curves(row: Row) -> dict[str, float]:
    """The finite numbers of a row that are useful as curves."""
    return {
        name: float(value)
        for name, value in row.items()
        if name not in ("step", "batch_size", "samples", "weights")
        and isinstance(value, int | float)
        and math.isfinite(value)
    }


def require_logs(names: Sequence[str]) -> None:
    """Check before training that the logs are known, given once, and installed.

    Raises:
        InputError: one of them is not.
    """
    for name in names:
        if name not in LOGS:
            raise InputError(f"--log {name}: not a log", help=f"known: {', '.join(LOGS)}")
        if names.count(name) > 1:
            raise InputError(f"--log gives {name} twice", help="keep one of them")
        if LOGS[name] and find_spec(LOGS[name]) is None:
            raise InputError(
                f"--log {name} needs {LOGS[name]}, which is not installed",
                help=f"pip install 'ffebm[{name}]'",
            )


def open_logs(names: Sequence[str], session: Session) -> list[Progress]:
    """The logs of a new or resumed run; ``session`` is in its state before training.

    Raises:
        InputError, StorageError: a log cannot be opened.
    """
    made: Mapping[str, type[CsvLog | TensorBoardLog | WandbLog]] = {
        "csv": CsvLog,
        "tensorboard": TensorBoardLog,
        "wandb": WandbLog,
    }
    return [made[name](session) for name in names]
