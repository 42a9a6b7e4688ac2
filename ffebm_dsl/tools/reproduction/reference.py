"""Reference results of a spec, in the file ``NAME.reference.json`` beside it.

It contains a short curve, which ``ffebm verify`` computes again, and the results of complete
trainings over seeds, which it prints.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch

from ffebm_dsl.language.diagnostics import InputError, SourceFile, cannot_write
from ffebm_dsl.language.ir import Compiled
from ffebm_dsl.running.storage import publish
from ffebm_dsl.running.training.environment import environment, packages
from ffebm_dsl.tools.experiments.results import Result
from ffebm_dsl.tools.reproduction.curve import Curve, amplification, curve, relative

FORMAT = "ffebm-reference 1"
ENDING = ".reference.json"

ROUNDINGS = 1e4
"""Allowed difference of two machines' curves, in units of the effect of rounding every weight
once. Every sum of every sweep is rounded, possibly in another order on another machine."""

LARGEST_LIMIT = 1e-3
"""A larger limit would accept errors of the program as rounding."""


@dataclass(frozen=True)
class Finished:
    """Complete trainings that differ only in their seeds: a metric of one set, by seed.

    ``dtype``, ``data`` (SHA-256) and ``ffebm`` (version) are from the runs' records.
    """

    overrides: Mapping[str, str]
    epochs: int
    on: str
    metric: str
    values: Mapping[int, float]
    dtype: str
    data: str
    ffebm: str


@dataclass(frozen=True)
class ReferenceResult:
    """Reference results of a spec's training.

    Attributes:
        spec_sha256: of the spec's text at that time.
        overrides: values as text by key, as for ``--set``, of the curve.
        steps: length of the curve.
        amplification: relative change of the curve divided by that of the initial weights.
        environment, packages: machine and versions.
        curve: the numbers.
        results: complete trainings.
    """

    spec_sha256: str
    overrides: Mapping[str, str]
    steps: int
    amplification: float
    environment: Mapping[str, Any]
    packages: Sequence[str]
    curve: Curve
    results: Sequence[Finished] = ()

    @property
    def limit(self) -> float:
        """The largest allowed relative difference from the reference."""
        return limit_of(self.amplification)


@dataclass(frozen=True)
class Mismatch:
    """A number that differs from the reference; ``apart`` is the relative difference."""

    place: str
    expected: float
    found: float
    apart: float


def limit_of(factor: float) -> float:
    return ROUNDINGS * torch.finfo(torch.float64).eps * max(1.0, factor)


def path_of(spec: Path) -> Path:
    """The path of a spec's reference."""
    return spec.with_name(spec.stem + ENDING)


def find(spec: Path, source: SourceFile) -> Path:
    """The reference beside the spec, or that of the bundled spec with the same text.

    Raises:
        InputError: there is neither.
    """
    beside = path_of(spec)
    if beside.is_file():
        return beside
    digest = hashlib.sha256(source.text.encode()).hexdigest()
    with as_file(files("ffebm_dsl.specs")) as folder:
        for path in sorted(folder.rglob(f"*{ENDING}")):
            if json.loads(path.read_text(encoding="utf-8")).get("spec_sha256") == digest:
                return path
    raise InputError(
        f"{spec} has no reference: there is no {beside.name} beside it",
        help=f"write one where its results are right: ffebm verify {spec} --write",
    )


def measured(compiled: Compiled, overrides: Mapping[str, str], steps: int) -> ReferenceResult:
    """The reference as computed on this machine.

    Raises:
        InputError: rounding is amplified so much that other machines could not reproduce it.
    """
    base = curve(compiled, overrides, steps)
    factor = amplification(compiled, overrides, steps, base)
    if not limit_of(factor) <= LARGEST_LIMIT:
        raise InputError(
            f"rounding is amplified {factor:.2g} times within {steps} steps: another machine "
            "would train another network",
            help="fewer steps (--steps), or less gain, frozen routing or average pooling",
        )
    return ReferenceResult(
        spec_sha256=hashlib.sha256(compiled.source.text.encode()).hexdigest(),
        overrides=dict(overrides),
        steps=steps,
        amplification=float(f"{factor:.3g}"),
        environment=environment(torch.device("cpu")),
        packages=packages(),
        curve=base,
    )


def differences(reference: ReferenceResult, found: Curve) -> tuple[list[Mismatch], float]:
    """The numbers that differ by more than the limit, in order, and the largest difference."""
    expected, here = list(reference.curve.points()), list(found.points())
    places = {point.place: point for point in here}
    differing: list[Mismatch] = []
    largest = 0.0
    for point in expected:
        other = places.pop(point.place, None)
        apart = math.inf if other is None else relative(point, other)
        largest = max(largest, apart)
        if not apart <= reference.limit:
            value = math.nan if other is None else other.value
            differing.append(Mismatch(point.place, point.value, value, apart))
    differing += [Mismatch(p.place, math.nan, p.value, math.inf) for p in places.values()]
    return differing, math.inf if places else largest


def text_changed(reference: ReferenceResult, compiled: Compiled) -> bool:
    return hashlib.sha256(compiled.source.text.encode()).hexdigest() != reference.spec_sha256


def changed_surroundings(reference: ReferenceResult) -> list[str]:
    """Differences of machine and versions: ``torch: 2.13.0 there, 2.14.0 here``."""
    here = {**environment(torch.device("cpu")), **_versions(packages())}
    there = {**reference.environment, **_versions(reference.packages)}
    return [
        f"{name}: {there.get(name, 'unset')} there, {here.get(name, 'unset')} here"
        for name in sorted(here.keys() | there.keys())
        if here.get(name) != there.get(name)
    ]


def _versions(entries: Sequence[str]) -> dict[str, str]:
    return dict(entry.partition("==")[::2] for entry in entries)


def finished(results: Sequence[Result], text: str) -> list[Finished]:
    """Complete trainings of a spec for its reference, one entry per set of overrides.

    Raises:
        InputError: a run of another text, one that has not finished, or two of one seed.
    """
    groups: dict[tuple[tuple[str, str], ...], list[Result]] = {}
    for result in results:
        if result.text != text:
            raise InputError(f"{result.name} is a run of another spec", help="leave it out")
        if result.status != "finished":
            raise InputError(f"{result.name} has not finished", help="leave it out, or resume it")
        groups.setdefault(tuple(result.overrides.items()), []).append(result)
    return [_finished(dict(overrides), group) for overrides, group in groups.items()]


def of_text(path: Path, compiled: Compiled) -> ReferenceResult | None:
    """The reference at ``path`` if there is one and it was written from this text.

    Raises:
        InputError: the file is damaged.
    """
    known = read(path) if path.is_file() else None
    return None if known is None or text_changed(known, compiled) else known


def kept(path: Path, compiled: Compiled) -> Sequence[Finished]:
    """The complete trainings of an existing reference; none if there is no file.

    Raises:
        InputError: the file is damaged, or they belong to another text of the spec.
    """
    if not path.is_file():
        return ()
    known = read(path)
    if known.results and text_changed(known, compiled):
        raise InputError(
            f"the results in {path} belong to an earlier text of {compiled.source.name}",
            help="give those of the new text (--results RUN), or remove the file",
        )
    return known.results


def _finished(overrides: Mapping[str, str], group: Sequence[Result]) -> Finished:
    first = group[0]
    on = "test" if "test" in first.metrics else "validation"
    metric = "loss" if math.isnan(first.metrics[on]["top1"]) else "top1"
    values = {result.seed: result.metrics[on][metric] for result in group}
    if len(values) < len(group):
        raise InputError("two runs have one seed and the same settings", help="leave one out")
    epochs = first.settings["train.epochs"]
    around = {name: first.settings[name] for name in ("dtype", "data", "ffebm")}
    return Finished(overrides, epochs, on, metric, dict(sorted(values.items())), **around)


def write(reference: ReferenceResult, path: Path) -> None:
    """Publish the file.

    Raises:
        InputError, StorageError: it cannot be written.
    """
    stated = {"format": FORMAT, **asdict(reference)}
    text = json.dumps(stated, indent=1, allow_nan=False) + "\n"
    try:
        publish(path, text.encode())
    except OSError as error:
        raise cannot_write(path, error) from error


def read(path: Path) -> ReferenceResult:
    """The reference in a file.

    Raises:
        InputError: it is unreadable or not a reference.
    """
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        if stated.pop("format") != FORMAT:
            raise ValueError(f"its format is not `{FORMAT}`")
        results = [
            Finished(**{**entry, "values": {int(k): float(v) for k, v in entry["values"].items()}})
            for entry in stated.pop("results")
        ]
        found = ReferenceResult(**{**stated, "curve": Curve(**stated["curve"]), "results": results})
        if not all(math.isfinite(point.value) for point in found.curve.points()):
            raise ValueError("its curve is not of finite numbers")
        if not (math.isfinite(found.amplification) and found.steps >= 1):
            raise ValueError("its amplification or length is not one")
        return found
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", help="check the path") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path} is not the reference of a spec: {error}",
            help="put the file back, or remove it and write it anew: ffebm verify SPEC --write",
        ) from None
