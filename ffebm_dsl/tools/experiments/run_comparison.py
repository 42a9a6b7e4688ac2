"""Comparison of runs: means of configurations over seeds, and paired differences."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.diagnostics.fix import did_you_mean
from ffebm_dsl.tools.experiments.labels import (
    contains,
    label,
    outermost,
    short,
    user_key,
    varying,
)
from ffebm_dsl.tools.experiments.results import METRICS, SURROUNDINGS, Result
from ffebm_dsl.tools.experiments.statistics import Mean, mean_of, paired

SETS = ("validation", "test")
"""Sets of metrics. Settings are chosen on the first; the second measures the result."""

COMMON_SEEDS = (
    "Rows have different seeds: a difference is over the seeds that its row shares with the first, "
    "so it is not that of the means shown."
)
"""What is said of a comparison in which ``seeds_differ``."""


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
        InputError: a run that has not ended, an unknown key in ``by``, runs that differ in more,
            two runs with the same seed and configuration, or a set or metric that they do not have.
    """
    _require_ended(results)
    on = _set(results, on)
    metric = _metric(results, metric, on)
    _require_known(by, results)
    varied = _varied(results, by)
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(json.dumps(result.settings, sort_keys=True, default=str), []).append(
            result
        )
    firsts = [group[0] for group in groups.values()]
    labels = labels_of(firsts, varied)
    first, *others = (
        _configuration(name, group, metric, on)
        for name, group in zip(labels, groups.values(), strict=True)
    )
    others = [replace(c, difference=paired(c.values, first.values)) for c in others]
    return RunComparison(metric, on, varied, [first, *others])


def labels_of(runs: Sequence[Result], varied: Sequence[str]) -> list[str]:
    """A label for each run, all different: with the run's name if the settings do not suffice."""
    several = varying(run.settable for run in runs)
    labels = [label(varied, r.settable, r.overrides, r.settings, several) for r in runs]
    return [
        f"{found} ({run.name})" if labels.count(found) > 1 else found or "all runs"
        for found, run in zip(labels, runs, strict=True)
    ]


def _require_ended(results: Sequence[Result]) -> None:
    going = [r.name for r in results if r.status not in ("finished", "diverged")]
    if going:
        raise InputError(
            f"{len(going)} of {len(results)} runs have not ended: {', '.join(going[:3])}"
            f"{', ...' if len(going) > 3 else ''}",
            help="continue them with `ffebm train --resume RUN`, or leave them out",
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
    if named:
        return [*named, *(key for key in differing if key in SURROUNDINGS)]
    return outermost(differing.values())


def _differing(results: Sequence[Result]) -> dict[str, str]:
    """The single values that are not the same in all runs, with their keys of ``--set``."""
    all_settings = [result.settings for result in results]
    first = all_settings[0]
    keys = dict.fromkeys(key for found in all_settings for key in found)
    differing = [k for k in keys if any(found.get(k) != first.get(k) for found in all_settings)]
    return {key: user_key(key, all_settings) for key in differing}


def _varied(results: Sequence[Result], by: Sequence[str]) -> list[str]:
    """The keys in which the runs differ; an error if they are more than those stated."""
    differing, named = _differing(results), _overridden(results)
    candidates = differing_keys(results)
    stated = list(by) or (candidates if len(candidates) == 1 else [])
    # In runs of one text every difference in the resolved spec comes from the overrides. If all of
    # these are stated, only the surroundings can differ otherwise.
    known = bool(named) and all(_is_stated(key, stated) for key in named)
    left = [
        key
        for key, short_key in differing.items()
        if not (key in stated or _is_stated(short_key, stated))
        and not (known and key not in SURROUNDINGS)
    ]
    if not left:
        keys = (*named, *differing, *differing.values())
        return outermost(key for key in stated if any(contains(k, key) for k in keys))
    told = [key for key in candidates if not _is_stated(key, stated)]
    raise InputError(
        f"the runs differ in {', '.join(f'`{key}`' for key in told[:6])}"
        f"{', ...' if len(told) > 6 else ''}{', which --by does not include' if by else ''}",
        help=f"--by {','.join([*stated, *told[:6]])} compares by all of them; or leave runs out",
    )


def _require_known(by: Sequence[str], results: Sequence[Result]) -> None:
    """Raise InputError for a key that no run has."""
    settable = {f"{s.block}.{s.key}".lstrip(".") for r in results for s in r.settable}
    known = settable.union(*((*r.settings, *map(short, r.settings), *r.overrides) for r in results))
    for name in by:
        if not any(contains(key, name) for key in known):
            help = did_you_mean(name, settable) or "keys are those of --set, such as optimizer.lr"
            raise InputError(f"--by {name}: no run has this key", help=help)


def _overridden(results: Sequence[Result]) -> list[str]:
    """The keys of ``--set`` whose values differ in runs of one text; none for several texts."""
    if len({result.text for result in results}) > 1:
        return []
    keys = dict.fromkeys(key for result in results for key in result.overrides)
    return [key for key in keys if len({result.overrides.get(key) for result in results}) > 1]


def _is_stated(key: str, stated: Sequence[str]) -> bool:
    return any(contains(key, name) for name in stated)


def _configuration(name: str, group: Sequence[Result], metric: str, on: str) -> Configuration:
    values: dict[int, float] = {}
    for result in group:
        if result.status != "finished":
            continue
        if result.seed in values:
            raise InputError(
                f"two runs have seed {result.seed} and the same settings; {result.name} is one",
                help="a run that is given twice would count twice: leave one out",
            )
        values[result.seed] = result.metrics[on][metric]
    mean = mean_of([*values.values()]) if values else None
    failed = sum(result.status == "diverged" for result in group)
    return Configuration(name, values, failed, mean)
