"""Price lists: YAML held to a JSON Schema, a source for every row."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.diagnostics.fix import did_you_mean
from ffebm_dsl.language.interchange.document import read_yaml

FEWEST = 4
"""Bits below which the regression has no converters."""


def adc_survey(bits: int, node: float, rate: float) -> float:
    """Joules per conversion of so many bits, at ``node`` nanometres and ``rate`` per second.

    A regression of area and power over Murmann's survey, as in the plug-in for Accelergy
    (Accelergy-Project/accelergy-adc-plug-in, model.py). Flat in the rate up to where the
    figure of merit begins to fall with it.

    Raises:
        ValueError: fewer bits than the survey covers.
    """
    if bits < FEWEST:
        raise ValueError(f"the survey has no converter of {bits} bits: {FEWEST} or more")
    merit = min(213.7807 - 2.87190 * math.log(rate), 128.3068 + 3.22051 * bits)
    noise = 6.02 * bits + 1.76
    scale = math.exp(26.0496 + 1.88004 * math.log(node) - 2.82913 * math.log(bits) - 1.47020)
    return scale / (2 * 10 ** ((merit - noise) / 10)) * 1e-12


FORMULAS: Mapping[str, Callable[[int, float, float], float]] = {"adc_survey": adc_survey}
"""What gives joules from bits, node in nanometres and rate per second."""

_PACKAGE = "ffebm_dsl.tools.cost"


@dataclass(frozen=True)
class Price:
    """A row of a list.

    Attributes:
        action: what is paid for.
        unit: one of what costs this.
        joules: energy of one; None where a formula gives it.
        formula: one of ``FORMULAS``, or ``""``.
        seconds: how long one takes.
        lanes: how many are done at once; None: all of them.
        node: technology in nanometres.
        source: where the numbers are from.
        bits: resolution of a converter; None: any.
    """

    action: str
    unit: str
    joules: float | None
    formula: str
    seconds: float
    lanes: int | None
    node: float
    source: str
    bits: int | None = None

    def energy(self, bits: int) -> float:
        """Joules of one action; ``bits`` is the resolution of a converter.

        Raises:
            InputError: the formula knows no such resolution.
        """
        if self.joules is not None:
            return self.joules
        try:
            return FORMULAS[self.formula](bits, self.node, 1 / self.seconds)
        except ValueError as error:
            raise InputError(
                f"no price for `{self.action}` of {bits} bits: {error}",
                help=f"use a converter of {FEWEST} bits or more, or a list with a row for it",
            ) from None

    def time(self, count: float) -> float:
        """Seconds that so many actions take."""
        return self.seconds * (count / self.lanes if self.lanes else float(count > 0))


@dataclass(frozen=True)
class PriceList:
    """Rows under the name of their file."""

    name: str
    title: str
    rows: tuple[Price, ...]

    def price(self, action: str, bits: int = 0) -> Price:
        """The row for an action; of a converter, the one with its bits, or with a formula.

        Raises:
            InputError: there is none.
        """
        rows = [row for row in self.rows if row.action == action]
        exact = [row for row in rows if row.bits in (bits, None)]
        if exact:
            return exact[0]
        known = ", ".join(str(row.bits) for row in rows)
        what = f"`{action}` of {bits} bits" if bits else f"`{action}`"
        raise InputError(
            f"no price for {what} in {self.name}",
            help=f"it has {action} of {known} bits" if known else f"add a row for `{action}`",
        )


def bundled() -> list[str]:
    """The names of the lists that come with ffebm."""
    found = files(_PACKAGE).joinpath("lists").iterdir()
    return sorted(f.name.removesuffix(".yaml") for f in found if f.name.endswith(".yaml"))


def load_prices(name: str) -> PriceList:
    """A bundled list by its name, or a file.

    Raises:
        InputError: no such list or file, or one that does not keep to the schema.
    """
    if name in bundled():
        text = files(_PACKAGE).joinpath("lists", f"{name}.yaml").read_text(encoding="utf-8")
        return _read(SourceFile(name, text))
    path = Path(name)
    if not path.is_file():
        raise InputError(
            f"no list of prices is called `{name}`, and no file",
            help=did_you_mean(name, bundled()) or f"bundled: {', '.join(bundled())}",
        )
    try:
        return _read(SourceFile(name, path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name} cannot be read: {error}") from error


def schema() -> dict[str, Any]:
    """The JSON Schema of a list."""
    text = files(_PACKAGE).joinpath("lists", "prices.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _read(source: SourceFile) -> PriceList:
    from jsonschema import Draft202012Validator

    document = read_yaml(source)
    for fault in Draft202012Validator(schema()).iter_errors(document.data):
        pointer = "".join(f"/{key}" for key in fault.absolute_path)
        raise document.fault(pointer, " ".join(fault.message.split())[:200])
    rows = []
    for row in document.data["prices"]:
        lanes = None if row["lanes"] == "all" else row["lanes"]
        known = {k: row.get(k) for k in ("action", "unit", "joules", "node", "source", "bits")}
        rows.append(
            Price(formula=row.get("formula", ""), seconds=row["seconds"], lanes=lanes, **known)
        )
    return PriceList(source.name, document.data["title"], tuple(rows))
