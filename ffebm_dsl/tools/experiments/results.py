"""Results of runs, read from their records: configuration, settings and metrics."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.ir.tools.dump import leaves
from ffebm_dsl.running.records import Record, read
from ffebm_dsl.tools.experiments.statistics import Mean, mean_of, paired

METRICS = ("top1", "top5", "loss")
"""Metrics for comparisons; columns of ``/run/eval`` and ``/run/test``."""

SETS = ("validation", "test")
"""Sets of metrics. Settings are chosen on the first; the second measures the result."""

SURROUNDINGS = ("dtype", "data", "ffebm")
"""What affects a run's numbers besides its spec: precision, SHA-256 of the data, program."""

COMMON_SEEDS = (
    "Rows have different seeds: a difference is over the seeds that its row shares with the first, "
    "so it is not that of the means shown."
)
"""What is said of a comparison in which ``seeds_differ``."""

SWEEP = "sweep.json"
"""The name of the file that describes a sweep, beside its run directories."""


@dataclass(frozen=True)
class Result:
    """A run: its name, seed, status, and everything that its numbers depend on.

    Attributes:
        status: ``finished``, ``stopped``, ``diverged`` or ``running``.
        metrics: the last evaluation, by set (``validation`` or ``test``), then by the names in
            ``METRICS``; NaN if undefined.
        settings: dotted key -> value of the resolved spec without its seed, and precision, data and
            program as recorded.
        overrides: the values given with ``--set``, by key, without the seed.
        text: the spec's text.
    """

    name: str
    seed: int
    status: str
    metrics: Mapping[str, Mapping[str, float]]
    settings: Mapping[str, Any]
    overrides: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Configuration:
    """Runs that differ only in their seeds.

    ``values`` are the metric of the finished runs by seed; ``failed`` counts the diverged ones.
    ``difference`` is relative to the first configuration, over the seeds of both.
    """

    label: str
    values: Mapping[int, float]
    failed: int
    mean: Mean | None
    difference: Mean | None = None


@dataclass(frozen=True)
class RunComparison:
    """Comparison of configurations by one metric of one set, ``validation`` or ``test``.

    ``varied`` are the keys in which they differ.
    """

    metric: str
    on: str
    varied: Sequence[str]
    configurations: Sequence[Configuration] = field(default_factory=list)

    @property
    def seeds_differ(self) -> bool:
        """Whether rows have different seeds, so that differences are not those of the means."""
        return len({frozenset(c.values) for c in self.configurations if c.values}) > 1


def expand(paths: Sequence[Path]) -> list[Path]:
    """The paths, with the folder of a sweep replaced by its run directories.

    Raises:
        InputError: a sweep without runs, or whose file has been changed.
    """
    found: list[Path] = []
    for path in paths:
        if not (path / SWEEP).is_file():
            found.append(path)
            continue
        runs = [path / name for name in trial_names(path) if (path / name).is_dir()]
        found += runs
        if not runs:
            raise InputError(f"{path}: no trial of this sweep has begun", help="run it first")
    return found


def trials_without_run(paths: Sequence[Path]) -> list[str]:
    """A sentence for each sweep among the paths some of whose trials have no run directory.

    Raises:
        InputError: a sweep's file cannot be read.
    """
    found = []
    for path in paths:
        if (path / SWEEP).is_file():
            names = trial_names(path)
            missing = sum(not (path / name).is_dir() for name in names)
            if missing:
                found.append(f"{path}: {missing} of {len(names)} trials without a run are left out")
    return found


def trial_names(folder: Path) -> list[str]:
    """The names of a sweep's run directories, in the order of its trials.

    Raises:
        InputError: the sweep's file cannot be read.
    """
    try:
        data = json.loads((folder / SWEEP).read_text(encoding="utf-8"))
        names = [trial["name"] for trial in data["trials"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / SWEEP}: not the file of a sweep: {error}") from None
    return [name for name in names if isinstance(name, str) and Path(name).name == name]


def read_result(path: Path) -> Result:
    """The result of the run in a directory.

    Raises:
        InputError: it is not a run directory, or its record is damaged.
    """
    file = path / "run.h5"
    if not file.is_file():
        raise InputError(
            f"{path} is not a run directory: it has no run.h5",
            help="name folders that `ffebm train` made, or that of a sweep",
        )
    return result_of(path.resolve().name, read(file))


def result_of(name: str, record: Record) -> Result:
    """The result of the run of a record.

    Raises:
        InputError: its spec is not valid.
    """
    provenance = record["provenance"]
    overrides = dict(str(o).partition("=")[::2] for o in provenance["override"])
    overrides.pop("seed", None)
    return Result(
        name=name,
        seed=int(provenance["seed"][()]),
        status=record.attributes["status"],
        metrics=_metrics(record),
        settings=_settings(record),
        overrides=overrides,
        text=str(provenance["spec_text"][()]),
    )


def _metrics(record: Record) -> dict[str, dict[str, float]]:
    judged_on = record.attributes["evaluated_on"]
    tables = {judged_on: record.tables.get("eval"), "test": record.tables.get("test")}
    if judged_on == "test":
        tables = {"test": record.tables.get("eval")}
    return {
        on: {name: float(table[name][-1]) for name in METRICS}
        for on, table in tables.items()
        if table is not None and len(table)
    }


def _settings(record: Record) -> dict[str, Any]:
    provenance = record["provenance"]
    try:
        spec = json.loads(str(provenance["spec_resolved"][()]))
        spec["train"].pop("seed", None)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        raise InputError("the record's spec is not one that was trained") from None
    packages = dict(str(entry).partition("==")[::2] for entry in provenance["package"])
    return {
        **leaves(spec),
        "dtype": str(provenance["dtype"][()]),
        "data": str(provenance["dataset_sha256"][()]),
        "ffebm": packages.get("ffebm", ""),
    }


def compare(
    results: Sequence[Result], by: Sequence[str], metric: str = "", on: str = ""
) -> RunComparison:
    """Means of the runs' configurations with intervals, and paired differences from the first.

    Args:
        results: the runs; differences are relative to the configuration of the first.
        by: what may differ: keys as for ``--set``, or of the resolved spec; empty: the only one
            that does.
        metric: of ``METRICS``; ``""``: accuracy if the runs have it, else the loss.
        on: ``validation`` or ``test``; ``""``: the validation set if the runs have one.

    Raises:
        InputError: a run that has not ended, runs that differ in more than ``by``, two runs with
            the same seed and configuration, or a set or metric that they do not have.
    """
    _require_ended(results)
    on = _set(results, on)
    metric = _metric(results, metric, on)
    varied = _varied(results, by)
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(json.dumps(result.settings, sort_keys=True, default=str), []).append(
            result
        )
    configurations: list[Configuration] = []
    for group in groups.values():
        found = _configuration(group, varied, metric, on)
        if configurations:
            difference = paired(found.values, configurations[0].values)
            found = Configuration(found.label, found.values, found.failed, found.mean, difference)
        configurations.append(found)
    return RunComparison(metric, on, varied, configurations)


def _require_ended(results: Sequence[Result]) -> None:
    going = [r.name for r in results if r.status not in ("finished", "diverged")]
    if going:
        raise InputError(
            f"{len(going)} of {len(results)} runs have not ended: {', '.join(going[:3])}"
            f"{', ...' if len(going) > 3 else ''}",
            help="go on with them: ffebm train --resume RUN, or leave them out",
        )


def shared_sets(results: Sequence[Result]) -> list[str]:
    """The sets that all finished runs were evaluated on."""
    ended = [r for r in results if r.status == "finished"]
    return [name for name in SETS if all(name in r.metrics for r in ended)]


def _set(results: Sequence[Result], on: str) -> str:
    """The set of the comparison, on which all runs must have been evaluated."""
    has = shared_sets(results)
    if on and on not in SETS:
        raise InputError(f"--on {on}: not a set", help="--on validation or --on test")
    if (on and on not in has) or not has:
        raise InputError(
            f"not every run was evaluated on {f'its {on} set' if on else 'the same set'}",
            help=f"all of them have: {', '.join(has) or 'none'}",
        )
    return on or has[0]


def _metric(results: Sequence[Result], metric: str, on: str) -> str:
    ended = [r for r in results if r.status == "finished"]
    has = [name for name in METRICS if all(math.isfinite(r.metrics[on][name]) for r in ended)]
    if metric and metric not in METRICS:
        raise InputError(f"no metric is called `{metric}`", help=f"known: {', '.join(METRICS)}")
    if (metric and metric not in has) or not has:
        raise InputError(
            f"not every run has {metric or 'a metric'} on the {on} set",
            help=f"all of them have: {', '.join(has) or 'none'}",
        )
    return metric or has[0]


def differing_keys(results: Sequence[Result]) -> list[str]:
    """The keys of ``--set`` in which the runs differ, without seeds."""
    differing = _differing(results)
    named = _overridden(results)
    surroundings = [key for key in differing if key in SURROUNDINGS]
    if named:
        return [*named, *surroundings]
    return [*dict.fromkeys(_short(key) for key in differing)]


def _differing(results: Sequence[Result]) -> list[str]:
    keys = dict.fromkeys(key for result in results for key in result.settings)
    first = results[0].settings
    return [k for k in keys if any(r.settings.get(k) != first.get(k) for r in results)]


def _varied(results: Sequence[Result], by: Sequence[str]) -> list[str]:
    """The keys in which the runs differ; an error if they are more than those stated."""
    differing, named = _differing(results), _overridden(results)
    candidates = differing_keys(results)
    stated = list(by) or (candidates if len(candidates) == 1 else [])
    left = [key for key in differing if not _covered(key, stated, named)]
    if not left:
        return [key for key in stated if any(_is(d, key) for d in (*named, *differing))]
    told = [key for key in candidates if not any(_is(key, name) for name in stated)]
    raise InputError(
        f"the runs differ in {', '.join(f'`{key}`' for key in told[:6])}"
        f"{', ...' if len(told) > 6 else ''}{', which --by does not name' if by else ''}",
        help=f"--by {','.join([*stated, *told[:6]])} compares all of it at once; or leave runs out",
    )


def _overridden(results: Sequence[Result]) -> list[str]:
    """The keys of ``--set`` whose values differ in runs of one text; none for several texts."""
    if len({result.text for result in results}) > 1:
        return []
    keys = dict.fromkeys(key for result in results for key in result.overrides)
    return [key for key in keys if len({result.overrides.get(key) for result in results}) > 1]


def _covered(key: str, stated: Sequence[str], named: Sequence[str]) -> bool:
    """Whether a difference is stated, or follows from a stated one.

    In runs of one text every difference in the resolved spec comes from the overrides. If all of
    these are stated, only the environment can differ otherwise.
    """
    if any(_is(key, name) for name in stated):
        return True
    known = bool(named) and all(any(_is(key_, name) for name in stated) for key_ in named)
    return known and key not in SURROUNDINGS


def _is(key: str, name: str) -> bool:
    """Whether a key of the resolved spec is the one that a user calls ``name``."""
    return key == name or f".{_short(key)}".endswith(f".{name}")


def _short(key: str) -> str:
    """``train.optimizer.arguments.lr`` as for ``--set``: ``optimizer.lr``."""
    words = [word for word in key.split(".") if word != "arguments"]
    return ".".join(words[1:] if words[0] in ("train", "parameters") and words[1:] else words)


def _configuration(
    group: Sequence[Result], varied: Sequence[str], metric: str, on: str
) -> Configuration:
    values: dict[int, float] = {}
    for result in group:
        if result.status != "finished":
            continue
        if result.seed in values:
            raise InputError(
                f"two runs have seed {result.seed} and the same settings; {result.name} is one",
                help="a run that is there twice would count twice: leave one out",
            )
        values[result.seed] = result.metrics[on][metric]
    mean = mean_of([*values.values()]) if values else None
    failed = sum(result.status == "diverged" for result in group)
    return Configuration(_label(group[0], varied), values, failed, mean)


def _label(result: Result, varied: Sequence[str]) -> str:
    parts = []
    for name in varied:
        value = result.overrides.get(name)
        if value is None:
            found = [v for k, v in result.settings.items() if _is(k, name)]
            value = str(found[0]) if found else "as in the text"
        parts.append(f"{name}={value}")
    return ", ".join(parts) or "all runs"
