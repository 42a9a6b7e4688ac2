"""The space of a search, from the values of ``--set``: distributions, lists and constants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ffebm_dsl.language.diagnostics import InputError, SourceFile, SpecError
from ffebm_dsl.language.ir import Compiled
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.resolve.bind import bind
from ffebm_dsl.language.ir.resolve.scope import Scope
from ffebm_dsl.language.registry import Construct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import ANY, POSITIVE, Bounds
from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.parse import parse_override
from ffebm_dsl.tools.experiments.trials import alternatives, compile_trial

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

    def corners(self) -> Iterator[dict[str, str]]:
        """Points for validation: both ends of every range, and every choice."""
        low = {key: _text(name, low) for key, (name, low, _) in self.ranges.items()}
        low |= {key: texts[0] for key, texts in self.choices.items()}
        yield {**self.fixed, **low}
        for key, (name, _, high) in self.ranges.items():
            yield {**self.fixed, **low, key: _text(name, high)}
        for key, texts in self.choices.items():
            for text in texts[1:]:
                yield {**self.fixed, **low, key: text}


def _text(distribution: str, value: float) -> str:
    """A number as text, rounded to four digits, enough for a search."""
    return str(int(value)) if distribution == "integers" else f"{value:.4g}"


def is_distribution(value: str) -> bool:
    """Whether the value of a setting is a distribution."""
    return value.partition("(")[0].strip() in DISTRIBUTIONS


def refuse_draws(settings: Mapping[str, str]) -> None:
    """Raises InputError if a setting is a distribution."""
    for key, value in settings.items():
        if is_distribution(value):
            raise InputError(
                f"--set {key}={value}: only a search draws from it",
                help="add --search N, or give a list of values",
            )


def read_space(settings: Mapping[str, str]) -> Space:
    """Divide the values of ``--set`` into distributions, lists of several entries, and constants.

    Raises:
        InputError: nothing is drawn, or the ends of a range are in the wrong order.
        SpecError: a syntax error, or invalid arguments of a distribution.
    """
    ranges: dict[str, Range] = {}
    choices: dict[str, Sequence[str]] = {}
    fixed: dict[str, str] = {}
    for key, value in settings.items():
        if is_distribution(value):
            ranges[key] = _range(key, value)
            continue
        texts = alternatives(key, value)
        if len(texts) > 1:
            choices[key] = texts
        else:
            fixed[key] = texts[0]
    if not ranges and not choices:
        raise InputError(
            "--search has nothing to draw",
            help='say from what: --set "optimizer.lr=loguniform(1e-4, 1e-2)", a list, '
            "uniform(...) or integers(...)",
        )
    return Space(ranges, choices, fixed)


def _range(key: str, value: str) -> Range:
    source = SourceFile("--set", f"{key}={value}")
    call = parse_override(source).value
    if not isinstance(call, ast.Call):
        raise InputError(f"--set {key}={value}: give its ends, {value}(LOW, HIGH)")
    log = Log(source)
    ends = bind(DISTRIBUTIONS[call.name.text], call.arguments, call.span, Scope(), log)
    if ends is None:
        raise SpecError(log.sorted())
    low, high = (float(ends[name]) for name in ("low", "high"))  # type: ignore[arg-type]
    if low >= high:
        raise InputError(f"--set {key}={value}: from {low:g} to {high:g} there is nothing to draw")
    return call.name.text, low, high


def check_space(source: SourceFile, space: Space, *, allow_large: bool = False) -> Compiled:
    """Compile the corners of the space, so that errors are reported before training.

    Raises:
        InputError: the spec has no validation set, which the choice of settings requires.
        SpecError: a setting, or the spec, is invalid.
    """
    for overrides in space.corners():
        compiled = compile_trial(source, overrides, allow_large)
        assert compiled.spec.train is not None
        data = compiled.spec.train.data
        if not data.arguments.get("validation"):
            raise InputError(
                "a search chooses settings by the validation set, and "
                f"{source.name} sets no samples aside for one",
                help=f"{data.name}(..., validation=0.1) in the spec, or --set data.validation=0.1",
            )
    return compiled
