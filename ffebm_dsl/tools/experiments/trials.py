"""The trials of a sweep: every combination of alternatives, as overrides of one spec.

Each entry of a list, ``optimizer.lr=[1e-3, 3e-3]``, is an alternative of that setting; any other
value, and the empty list, is the same in all trials. A value that is itself a list is written as an
entry of a list.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Diagnostic, InputError, SourceFile, SpecError
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
    refuse_two_seeds(settings, seeds)
    choices = {key: alternatives(key, value) for key, value in settings.items()}
    # Counted before the seeds are listed, of which there may be billions.
    refuse_too_many(math.prod(map(len, choices.values())) * (1 if seeds is None else seeds))
    if seeds is not None:
        choices["seed"] = [str(seed) for seed in range(seeds)]
    varied = [key for key, values in choices.items() if len(values) > 1 or key == "seed"]
    combinations = [
        dict(zip(choices, values, strict=True)) for values in product(*choices.values())
    ]
    trials = _named([(varied, overrides) for overrides in combinations])
    _compile_all(source, trials, settings, allow_large)
    return trials


def refuse_too_many(count: int) -> None:
    """Raises InputError for more than :data:`MOST_TRIALS` trials."""
    if count > MOST_TRIALS:
        raise InputError(
            f"these are {count:,} trials; a sweep has at most {MOST_TRIALS:,}",
            help="try fewer values or seeds, or some of the settings after the others",
        )


def refuse_two_seeds(settings: Mapping[str, str], seeds: int | None) -> None:
    """Raises InputError for seeds that are given by both options."""
    if seeds is not None and "seed" in settings:
        raise InputError("--seeds and --set give `seed` twice", help="keep one of them")


def alternatives(key: str, value: str) -> list[str]:
    """The texts of the entries of a list; the value itself if it is another or an empty list.

    Raises:
        SpecError: a syntax error.
    """
    source = SourceFile("--set", f"{key}={value}")
    expression = parse_override(source).value
    if not isinstance(expression, ast.ListExpression) or not expression.items:
        return [value]
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


def _compile_all(
    source: SourceFile, trials: Sequence[Trial], settings: Mapping[str, str], allow_large: bool
) -> None:
    seen: dict[str, str] = {}
    for trial in trials:
        compiled = compile_trial(source, trial.overrides, settings, allow_large)
        meaning = repr(compiled.spec)
        if meaning in seen:
            raise InputError(
                f"the trials `{seen[meaning]}` and `{trial.name}` mean the same training",
                help="leave out the value that occurs twice",
            )
        seen[meaning] = trial.name


def compile_trial(
    source: SourceFile, overrides: Mapping[str, str], settings: Mapping[str, str], allow_large: bool
) -> Compiled:
    """The spec of a trial, whose overrides are drawn from ``settings``, as ``--set`` gives them.

    Raises:
        InputError: it has no train section.
        SpecError: it is invalid. If an entry of a list is invalid and the list itself is not, the
            help says how to give the list.
    """
    budget = {"budget": None} if allow_large else {}
    try:
        compiled = compile_spec(source, overrides, **budget)
    except SpecError as error:
        found = [_with_remedy(d, source, overrides, settings) for d in error.diagnostics]
        raise SpecError(found) from None
    if compiled.spec.train is None:
        raise InputError(
            f"{source.name} has no train section", help="add `train { ... }` to the spec"
        )
    return compiled


def _with_remedy(
    found: Diagnostic, source: SourceFile, overrides: Mapping[str, str], settings: Mapping[str, str]
) -> Diagnostic:
    key, _, entry = found.source.text.partition("=")
    if found.source is source or settings.get(key, entry) == entry:
        return found
    value = settings[key]
    if not takes(source, overrides, key, value):
        return found
    help = f"the entries of a list are tried one by one; for the list itself give {key}=[{value}]"
    return replace(found, help=help)


def takes(source: SourceFile, overrides: Mapping[str, str], key: str, value: str) -> bool:
    """Whether the value of a key has no fault of its own."""
    try:
        compile_spec(source, {**overrides, key: value}, None)
    except SpecError as error:
        return all(d.source.text != f"{key}={value}" for d in error.diagnostics)
    return True
