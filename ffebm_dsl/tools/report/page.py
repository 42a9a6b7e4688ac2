"""The page: its sections in one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from ffebm_dsl.tools.report.agreement import agreement
from ffebm_dsl.tools.report.bad_steps import bad_steps
from ffebm_dsl.tools.report.comparison import comparison
from ffebm_dsl.tools.report.convergence import convergence
from ffebm_dsl.tools.report.curves import learning_curves, wall_clock
from ffebm_dsl.tools.report.device_section import hardware
from ffebm_dsl.tools.report.figure import DASHES, SERIES, Artist
from ffebm_dsl.tools.report.origins import origins
from ffebm_dsl.tools.report.quantities import quantities
from ffebm_dsl.tools.report.runs import Run
from ffebm_dsl.tools.report.sections import Section
from ffebm_dsl.tools.report.seeds import seeds
from ffebm_dsl.tools.report.text import printable, short
from ffebm_dsl.tools.report.transients import transients


def page(runs: Sequence[Run]) -> str:
    """The HTML of a report on these runs, in this order. Equal records give equal pages."""
    runs = _named_apart(runs)
    found = sections(runs)
    environment = Environment(
        autoescape=True,
        loader=DictLoader({"page.html": _file("page.html")}),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        title=_title(runs),
        style=Markup(_file("page.css")),
        runs=runs,
        sections=[section for section in found if not section.missing],
        missing=[section for section in found if section.missing],
        series=lambda k: k % SERIES,
        dashes=lambda k: ("", "5 3", "1.5 2.5", "6 2 1.5 2")[k // SERIES % len(DASHES)],
    )


def sections(runs: Sequence[Run]) -> list[Section]:
    """All sections in order; empty ones say what is missing."""
    artist = Artist()
    return [
        comparison(runs),
        seeds(runs, artist),
        learning_curves(runs, artist),
        bad_steps(runs),
        transients(runs, artist),
        agreement(runs, artist),
        convergence(runs, artist),
        *quantities(runs),
        wall_clock(runs, artist),
        hardware(runs, artist),
        origins(runs),
    ]


def _title(runs: Sequence[Run]) -> str:
    if len(runs) == 1:
        return short(runs[0].name, 60)
    return f"{len(runs)} runs"


def _named_apart(runs: Sequence[Run]) -> list[Run]:
    """The runs with unambiguous names.

    Runs of several sweeps, which often have the same trials, have the sweep before their names.
    Then numbers are appended to repeated names.
    """
    several = len({run.sweep for run in runs if run.sweep}) > 1
    names = [
        printable(f"{run.sweep}/{run.name}" if several and run.sweep else run.name) for run in runs
    ]
    return [
        replace(
            run,
            name=f"{name} ({names[: k + 1].count(name)})" if names.count(name) > 1 else name,
        )
        for k, (name, run) in enumerate(zip(names, runs, strict=True))
    ]


def _file(name: str) -> str:
    return files("ffebm_dsl.tools.report").joinpath(name).read_text(encoding="utf-8")
