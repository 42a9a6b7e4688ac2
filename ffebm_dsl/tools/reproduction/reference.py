"""The file beside a spec, ``NAME.reference.json``, that says what training it gives.

It holds a short curve, which ``ffebm verify`` computes again, and the results of whole
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
"""By how many times one rounding of every weight the curves of two machines may part. Every sum
of every sweep rounds, and each of them may be rounded in another order there."""

LARGEST_LIMIT = 1e-3
"""A limit above it would let errors of the program pass as rounding."""


@dataclass(frozen=True)
class Finished:
    """Whole trainings that differ by their seeds alone: a metric of one set, by seed.

    ``dtype``, ``data`` (SHA-256) and ``ffebm`` (version) are as the runs' records have them.
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
    """What a spec's training gave where it was written.

    Attributes:
        spec_sha256: of the spec's text then.
        overrides: values as text by key, as ``--set`` gives them, with which the curve was made.
        steps: length of the curve.
        amplification: how far the curve moves, relative to how far all weights are moved.
        environment, packages: machine and versions.
        curve: the numbers.
        results: whole trainings.
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
        """How far a number may be from the reference, relative to its size."""
        return limit_of(self.amplification)


@dataclass(frozen=True)
class Mismatch:
    """A number that is not the reference's; ``apart`` is relative."""

    place: str
    expected: float
    found: float
    apart: float


def limit_of(factor: float) -> float:
    return ROUNDINGS * torch.finfo(torch.float64).eps * max(1.0, factor)


def path_of(spec: Path) -> Path:
    """Where the reference of a spec is."""
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
    """The reference that this machine gives.

    Raises:
        InputError: rounding carries so far that no other machine could give the same.
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
    """What is further from the reference than its limit, in order, and the largest distance."""
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
    """Machine and versions that are not the reference's: ``torch: 2.13.0 there, 2.14.0 here``."""
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
    """Whole trainings of a spec as references keep them, those of other overrides apart.

    Raises:
        InputError: a run of another text, one that has not finished, or two of one seed.
    """
    groups: dict[tuple[tuple[str, str], ...], list[Result]] = {}
    for result in results:
        if result.text != text:
            raise InputError(f"{result.name} is of another spec", help="leave it out")
        if result.status != "finished":
            raise InputError(f"{result.name} has not finished", help="leave it out, or resume it")
        groups.setdefault(tuple(result.overrides.items()), []).append(result)
    return [_finished(dict(overrides), group) for overrides, group in groups.items()]


def kept(path: Path, compiled: Compiled) -> Sequence[Finished]:
    """The whole trainings that a reference already holds; none where there is no file.

    Raises:
        InputError: the file is damaged, or they are of another text than the spec's.
    """
    if not path.is_file():
        return ()
    known = read(path)
    if known.results and text_changed(known, compiled):
        raise InputError(
            f"the results in {path} are of another text than {compiled.source.name} has now",
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
        InputError, StorageError: it cannot be written there.
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
        InputError: it cannot be read, or is not one.
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
