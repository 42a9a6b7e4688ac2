"""``ffebm report``: a page about runs, from their records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ffebm_dsl.cli.console import emit, say
from ffebm_dsl.cli.files import require_target

PAGE = "report.html"


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Run directories, folders of sweeps, or record files of "
            "`ffebm check --transients`.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help=f"Output file. [default: {PAGE} in the run's folder; for several runs, here]",
        ),
    ] = None,
) -> None:
    """Make one HTML page that shows runs side by side.

    The page is self-contained: it loads nothing and runs no scripts. It is made from the records
    alone.
    """
    target = _target(runs, out)
    from ffebm_dsl.running.storage import publish
    from ffebm_dsl.tools.experiments.results import expand
    from ffebm_dsl.tools.report import load, page

    publish(target, page([load(run) for run in expand(runs, say)]).encode())
    emit(f"{target}")


def _target(runs: list[Path], out: Path | None) -> Path:
    """Where the page goes.

    Raises:
        InputError: a place where no page can be made.
    """
    if out is None:
        return runs[0] / PAGE if len(runs) == 1 and runs[0].is_dir() else Path(PAGE)
    require_target(out, ".html", ".htm")
    return out
