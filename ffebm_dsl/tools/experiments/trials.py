"""The trials of a sweep: every combination of alternatives, as overrides of one spec.

Each entry of a list, ``optimizer.lr=[1e-3, 3e-3]``, is an alternative of that setting; any other
value is the same in all trials. A value that is itself a list is written as an entry of a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.ir import Compiled, compile_spec
from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.parse import parse_override

MOST_TRIALS = 10_000


class Trial(NamedTuple):
    """One training: the name of its run directory, and the overrides of the spec."""

    name: str
    overrides: Mapping[str, str]


def make_trials(
    source: SourceFile, settings: Mapping[str, str], seeds: int | None, *, allow_large: bool = False
) -> list[Trial]:
    """All combinations of the alternatives, the last setting varying fastest; seeds last of all.

    Every trial's spec is compiled, so that errors are reported before training.

    Args:
        source: the spec's text.
        settings: values as text by key, as for ``--set``.
        seeds: train each combination with seeds 0 to ``seeds - 1``; None: with the spec's own.

    Raises:
        InputError: ``seed`` given twice, too many trials, a spec without a train section, or two
            trials that are the same training.
        SpecError: an override, or the spec, is invalid.
    """
    if seeds is not None and "seed" in settings:
        raise InputError("--seeds and --set give `seed` twice", help="keep one of them")
    choices = {key: alternatives(key, value) for key, value in settings.items()}
    if seeds is not None:
        choices["seed"] = [str(seed) for seed in range(seeds)]
    count = 1
    for values in choices.values():
        count *= len(values)
    if count > MOST_TRIALS:
        raise InputError(
            f"these are {count:,} trials; a sweep has at most {MOST_TRIALS:,}",
            help="try fewer values, or some of the settings after the others",
        )
    varied = [key for key, values in choices.items() if len(values) > 1 or key == "seed"]
    combinations = [
        dict(zip(choices, values, strict=True)) for values in product(*choices.values())
    ]
    trials = _named([(varied, overrides) for overrides in combinations])
    _compile_all(source, trials, allow_large)
    return trials


def alternatives(key: str, value: str) -> list[str]:
    """The texts of the entries of a list; for any other value, the value itself.

    Raises:
        InputError: an empty list.
        SpecError: a syntax error.
    """
    source = SourceFile("--set", f"{key}={value}")
    expression = parse_override(source).value
    if not isinstance(expression, ast.ListExpression):
        return [value]
    if not expression.items:
        raise InputError(f"--set {key}={value}: the list has no entry", help="give one or more")
    return [source.text[item.span.start : item.span.end] for item in expression.items]


def _named(trials: Sequence[tuple[Sequence[str], Mapping[str, str]]]) -> list[Trial]:
    """Trials with unique names, valid for folders, that show what varies."""
    named: list[Trial] = []
    taken: set[str] = set()
    for varied, overrides in trials:
        stem = name = described(overrides, varied) or "trial"
        number = 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        named.append(Trial(name, overrides))
    return named


def described(overrides: Mapping[str, str], keys: Sequence[str]) -> str:
    """The varied settings as part of a folder name."""
    return ",".join(f"{key}={_plain(overrides[key])}" for key in keys)[:120]


def _plain(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+=-]+", "_", value).strip("_.")


def _compile_all(source: SourceFile, trials: Sequence[Trial], allow_large: bool) -> None:
    seen: dict[str, str] = {}
    for trial in trials:
        compiled = compile_trial(source, trial.overrides, allow_large)
        meaning = repr(compiled.spec)
        if meaning in seen:
            raise InputError(
                f"the trials `{seen[meaning]}` and `{trial.name}` mean the same training",
                help="leave out the value that occurs twice",
            )
        seen[meaning] = trial.name


def compile_trial(source: SourceFile, overrides: Mapping[str, str], allow_large: bool) -> Compiled:
    """The spec of a trial.

    Raises:
        InputError: it has no train section.
        SpecError: it is invalid.
    """
    budget = {"budget": None} if allow_large else {}
    compiled = compile_spec(source, overrides, **budget)
    if compiled.spec.train is None:
        raise InputError(
            f"{source.name} has no train section", help="add `train { ... }` to the spec"
        )
    return compiled
