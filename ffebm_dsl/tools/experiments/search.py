"""Searches: settings drawn by Optuna, each trained as a trial of a sweep and judged by validation.

The study is in a storage of Optuna, a journal file or a database. Any number of processes and
machines may work on one study, each in a folder of its own; every new point is drawn from all
results so far.
"""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ffebm_dsl.language.diagnostics import InputError, StorageError
from ffebm_dsl.language.ir import Compiled
from ffebm_dsl.language.registry import TARGETS
from ffebm_dsl.tools.experiments.results import read_result
from ffebm_dsl.tools.experiments.running import SweepPlan, add_trial
from ffebm_dsl.tools.experiments.search_space import Space
from ffebm_dsl.tools.experiments.trials import Trial, described

if TYPE_CHECKING:
    from optuna import Study


@dataclass
class Search:
    """A study, and those of its points that are trained in one folder.

    Attributes:
        plan: the folder and the options of its trials, initially without trials.
        space: the search space.
        study: the Optuna study.
        count: number of points of the study, including those of other folders.
        seeds: seeds with which every point is trained; none: the spec's own.
        compiles: whether the spec compiles with these overrides; a point that does not has failed.
    """

    plan: SweepPlan
    space: Space
    study: Study
    count: int
    seeds: Sequence[int]
    compiles: Callable[[Mapping[str, str]], bool]
    waiting: dict[int, dict[str, Trial]] = field(default_factory=dict)

    @property
    def told(self) -> int:
        """The number of completed points of the study."""
        trials = self.study.get_trials(deepcopy=False)
        return sum(trial.state.is_finished() for trial in trials)

    def trials(self) -> Iterator[Trial]:
        """The runs to train, each point being drawn when it is needed.

        Unfinished points of this folder come first.
        """
        here = {"machine": platform.node(), "folder": str(self.plan.folder.resolve())}
        for frozen in self.study.get_trials(deepcopy=False):
            attributes = frozen.user_attrs
            if not frozen.state.is_finished() and here.items() <= attributes.items():
                yield from self._begin(frozen.number, attributes["overrides"])
        while len(self.study.get_trials(deepcopy=False)) < self.count:
            asked = self.study.ask(self.space.distributions())
            if asked.number >= self.count:  # another process has drawn the last point
                self._fail(asked.number)
                return
            drawn = {key: self.space.text(key, value) for key, value in asked.params.items()}
            overrides = {**self.space.fixed, **{key: drawn[key] for key in self.space.drawn}}
            asked.set_user_attr("overrides", overrides)
            for name, value in here.items():
                asked.set_user_attr(name, value)
            if self.compiles(overrides):
                yield from self._begin(asked.number, overrides)
            else:
                self._fail(asked.number)

    def _begin(self, number: int, overrides: Mapping[str, str]) -> list[Trial]:
        """The remaining runs of a point; a point without any is reported to the study."""
        seeds: list[dict[str, str]] = [{"seed": str(seed)} for seed in self.seeds] or [{}]
        runs = []
        for seed in seeds:
            shown = [*self.space.drawn, *seed]
            values = {**overrides, **seed}
            runs.append(Trial(f"{number:04},{described(values, shown)}", values))
            add_trial(self.plan.folder, runs[-1])
        self.waiting[number] = {run.name: run for run in runs}
        left = [run for run in runs if self.plan.status(run) not in ("finished", "diverged")]
        if not left:
            self._tell(number)
        return left

    def ended(self, run: Trial) -> None:
        """Report a point to the study once all of its runs have ended."""
        number = next(n for n, runs in self.waiting.items() if run.name in runs)
        runs = self.waiting[number].values()
        if all(self.plan.status(other) in ("finished", "diverged") for other in runs):
            self._tell(number)

    def _tell(self, number: int) -> None:
        """Report the mean over seeds of the last evaluations."""
        results = [read_result(self.plan.folder / name) for name in self.waiting.pop(number)]
        if any(result.status == "diverged" for result in results):
            self._fail(number)
            return
        metric = metric_of(self.study)
        values = [result.metrics["validation"][metric] for result in results]
        self.study.tell(number, sum(values) / len(values))

    def _fail(self, number: int) -> None:
        from optuna.trial import TrialState

        self.study.tell(number, state=TrialState.FAIL)

    def best(self) -> dict[str, Any] | None:
        """The best point of the study: its metric, settings and place; None if all failed."""
        try:
            found = self.study.best_trial
        except ValueError:
            return None
        drawn = {key: found.user_attrs["overrides"][key] for key in self.space.drawn}
        place = {name: found.user_attrs[name] for name in ("machine", "folder")}
        return {"metric": metric_of(self.study), "value": found.value, "set": drawn, **place}


def metric_of(study: Study) -> str:
    """The metric of a study: a loss is minimised, an accuracy maximised."""
    return "loss" if study.direction.name == "MINIMIZE" else "top1"


def require_optuna() -> None:
    """Raises InputError if Optuna is not installed."""
    if find_spec("optuna") is None:
        raise InputError(
            "--search needs optuna, which is not installed", help="pip install 'ffebm[search]'"
        )


def open_study(
    compiled: Compiled, space: Space, options: Sequence[str], seeds: Sequence[int], storage: str
) -> Study:
    """The study of this text, space, options and seeds in a storage, created if absent.

    Args:
        storage: the path of a journal file, or a URL such as ``sqlite:///search.db``.

    Raises:
        InputError: the storage cannot be opened.
    """
    import optuna
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    stated = [compiled.source.text, vars(space), [*options], [*seeds]]
    digest = sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:12]
    classes = TARGETS[compiled.spec.model.target.kind].classes

    def create() -> Study:
        return optuna.create_study(
            storage=_database(storage) if "://" in storage else _journal(storage),
            study_name=f"{compiled.spec.model.name}-{digest}",
            direction="maximize" if classes else "minimize",
            load_if_exists=True,
        )

    try:
        try:
            return create()
        except DBAPIError:
            # Another process may be making the tables of a new database at the same moment.
            time.sleep(1)
            return create()
    except (OSError, ImportError, RuntimeError, SQLAlchemyError, StorageInternalError) as error:
        raise InputError(
            f"--storage {_shown(storage)}: {_reason(error)}",
            help="give the path of a file, or a URL such as sqlite:///search.db; a database server "
            "needs a driver (docs/experiments.md)",
        ) from error


@contextmanager
def reporting_loss(storage: str) -> Iterator[None]:
    """Raises StorageError when a storage that was open cannot be used any more."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        raise StorageError(
            f"--storage {_shown(storage)}: {_reason(error)}",
            help="trials that were running have been saved; the same command continues the search",
        ) from error


def _shown(storage: str) -> str:
    """A storage without the password of its URL."""
    return re.sub(r"(?<=://)([^/@:]*):.*@", r"\1:***@", storage)


def _reason(error: BaseException) -> str:
    """The first line of the error that led to ``error``."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).partition("\n")[0]


def _database(url: str) -> Any:
    from optuna.storages import RDBStorage
    from sqlalchemy.pool import NullPool

    # Connections end with their use: a server drops those that are idle during a training.
    return RDBStorage(url, engine_kwargs={"poolclass": NullPool})


def _journal(path: str) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(path))
