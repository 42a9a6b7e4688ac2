"""The space of a search, from the values of ``--set``: distributions, lists and constants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ffebm_dsl.language.diagnostics import Diagnostic, InputError, SourceFile, Span, SpecError
from ffebm_dsl.language.ir import Compiled
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.resolve.bind import bind
from ffebm_dsl.language.ir.resolve.scope import Scope
from ffebm_dsl.language.registry import Construct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import ANY, POSITIVE, Bounds
from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.parse import parse, parse_override
from ffebm_dsl.tools.experiments.trials import alternatives, compile_trial, takes

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def _between(name: str, doc: str, kind: Kind, bounds: Bounds = ANY) -> Construct:
    ends = (Parameter("low", kind, "", bounds=bounds), Parameter("high", kind, "", bounds=bounds))
    return Construct(name, doc, ends)


DISTRIBUTIONS: Mapping[str, Construct] = {
    "uniform": _between("uniform", "a number between two", Kind.REAL),
    "loguniform": _between("loguniform", "its logarithm is uniform", Kind.REAL, POSITIVE),
    "integers": _between("integers", "a whole number, ends included", Kind.INT),
}
"""The distributions of ``--set``; a list is a choice among its entries."""

MOST_PROBES = 32
"""About how many whole numbers of a range are compiled before training."""

Range = tuple[str, float, float]
"""The name of a distribution, and its ends."""


@dataclass(frozen=True)
class Space:
    """A search space: ranges and choices by key, and the constant settings."""

    ranges: Mapping[str, Range]
    choices: Mapping[str, Sequence[str]]
    fixed: Mapping[str, str]

    @property
    def drawn(self) -> list[str]:
        return [*self.ranges, *self.choices]

    def distributions(self) -> dict[str, BaseDistribution]:
        from optuna import distributions as known

        found: dict[str, BaseDistribution] = {}
        for key, (name, low, high) in self.ranges.items():
            if name == "integers":
                found[key] = known.IntDistribution(int(low), int(high))
            else:
                found[key] = known.FloatDistribution(low, high, log=name == "loguniform")
        for key, texts in self.choices.items():
            found[key] = known.CategoricalDistribution(list(texts))
        return found

    def text(self, key: str, value: Any) -> str:
        """A drawn value of a key, as text for ``--set``."""
        return _text(self.ranges[key][0], value) if key in self.ranges else str(value)

    def probes(self) -> Iterator[dict[str, str]]:
        """Points for validation: some of every range, and every choice."""
        values = {**{key: _probes(*drawn) for key, drawn in self.ranges.items()}, **self.choices}
        first = {key: texts[0] for key, texts in values.items()}
        yield {**self.fixed, **first}
        for key, texts in values.items():
            for text in texts[1:]:
                yield {**self.fixed, **first, key: text}


def _text(distribution: str, value: float) -> str:
    """A number as text, rounded to four digits, enough for a search."""
    return str(int(value)) if distribution == "integers" else f"{value:.4g}"


def _probes(distribution: str, low: float, high: float) -> list[str]:
    """Both ends of a range, and some values between them.

    Whole numbers are all tried if they are few. Of reals one is tried that is not whole: the ends
    may be, and then pass where an int is required.
    """
    between: Sequence[float] = [low + (high - low) / 3.7]
    if distribution == "integers":
        step = max(1, int(high - low) // MOST_PROBES)
        between = range(int(low), int(high), step)[1:]
    return [_text(distribution, value) for value in (low, *between, high)]


def is_distribution(source: SourceFile, key: str, value: str) -> bool:
    """Whether the value of a setting is a distribution.

    ``uniform`` is also an initialiser: ``init=uniform(0, 0.1)`` is a value of the spec.
    """
    called = value.partition("(")[0].strip()
    return called in DISTRIBUTIONS and not takes(source, {}, key, value)


def refuse_draws(source: SourceFile, settings: Mapping[str, str]) -> None:
    """Refuse distributions outside of a search.

    Raises:
        InputError: a setting is one.
        SpecError: one is in a list, or a syntax error.
    """
    for key, value in settings.items():
        _entries(source, key, value, "drop the brackets, and add --search N: ")
        if is_distribution(source, key, value):
            raise InputError(
                f"--set {key}={value}: only a search draws from it",
                help="add --search N, or give a list of values",
            )


def read_space(source: SourceFile, settings: Mapping[str, str]) -> Space:
    """Divide the values of ``--set`` into distributions, lists of several entries, and constants.

    Raises:
        InputError: nothing is drawn, or the seed is, or the ends of a range are in the wrong
            order.
        SpecError: a syntax error, invalid arguments of a distribution, or a distribution in a list.
    """
    parse(source)  # a text with syntax errors takes no value, not even a right one
    ranges: dict[str, Range] = {}
    choices: dict[str, Sequence[str]] = {}
    fixed: dict[str, str] = {}
    for key, value in settings.items():
        if is_distribution(source, key, value):
            ranges[key] = _range(key, value)
            continue
        texts = _entries(source, key, value, "drop the brackets: ")
        if len(texts) > 1:
            choices[key] = texts
        else:
            fixed[key] = texts[0]
    if not ranges and not choices:
        raise InputError(
            "--search has nothing to draw",
            help='give ranges or lists: --set "optimizer.lr=loguniform(1e-4, 1e-2)", a list, '
            "uniform(...) or integers(...)",
        )
    if "seed" in ranges or "seed" in choices:
        raise InputError(
            "a search over seeds would select one that is best on the validation set by chance",
            help="--seeds N trains every combination with N seeds and judges it by their mean",
        )
    return Space(ranges, choices, fixed)


def _entries(source: SourceFile, key: str, value: str, remedy: str) -> list[str]:
    """The texts of the entries of a list, or the value itself.

    Raises:
        SpecError: a syntax error, or an entry is a distribution; ``remedy`` is for a single one.
    """
    texts = alternatives(key, value)
    if texts == [value]:
        return texts
    for text in texts:
        if is_distribution(source, key, text):
            setting = SourceFile("--set", f"{key}={value}")
            start = setting.text.index(text, len(key))
            alone = f'{remedy}--set "{key}={text}"'
            several = "give either one distribution or a list of values"
            diagnostic = Diagnostic(
                "FFE1009",
                f"a search draws from `{text}`: it is no value that a list can have",
                setting,
                Span(start, start + len(text)),
                help=alone if len(texts) == 1 else several,
            )
            raise SpecError([diagnostic])
    return texts


def _range(key: str, value: str) -> Range:
    source = SourceFile("--set", f"{key}={value}")
    call = parse_override(source).value
    if not isinstance(call, ast.Call):
        raise InputError(f"--set {key}={value}: give its ends, {value}(LOW, HIGH)")
    log = Log(source)
    ends = bind(DISTRIBUTIONS[call.name.text], call.arguments, call.span, Scope(log))
    if ends is None:
        raise SpecError(log.sorted())
    low, high = (float(ends[name]) for name in ("low", "high"))  # type: ignore[arg-type]
    if low >= high:
        raise InputError(f"--set {key}={value}: from {low:g} to {high:g} there is nothing to draw")
    return call.name.text, low, high


def check_space(
    source: SourceFile, space: Space, settings: Mapping[str, str], *, allow_large: bool = False
) -> Compiled:
    """Compile points of the space, so that errors are reported before training.

    Raises:
        InputError: the spec has no validation set, which the choice of settings requires.
        SpecError: a setting, or the spec, is invalid.
    """
    for overrides in space.probes():
        compiled = compile_trial(source, overrides, settings, allow_large)
        assert compiled.spec.train is not None
        data = compiled.spec.train.data
        if not data.arguments.get("validation"):
            raise InputError(
                "a search chooses settings by the validation set, and "
                f"{source.name} sets no samples aside for one",
                help=f"{data.name}(..., validation=0.1) in the spec, or --set data.validation=0.1",
            )
    return compiled
