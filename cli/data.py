"""``ffebm data``: the data sets there are, fetching and verifying their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ffebm_dsl.cli.commands import new_app
from ffebm_dsl.cli.completion import data_sets
from ffebm_dsl.cli.console import emit, emit_json, say
from ffebm_dsl.language.diagnostics import InputError, NegativeResult

if TYPE_CHECKING:
    from ffebm_dsl.language.registry.data_constructs import DataFiles
    from ffebm_dsl.running.datasets.integrity import Report

app = new_app(help="List, fetch and verify data sets.")

FolderOption = Annotated[Path, typer.Option("--data-dir", help="Folder of data sets.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DATA = Path("data")


@app.command("list")
def list_data(data_dir: FolderOption = DATA, as_json: JsonOption = False) -> None:
    """List the data sets that come as files, and which are there."""
    from ffebm_dsl.running.datasets.places import CATALOGUE

    rows = [_listed(known, data_dir) for known in CATALOGUE.values()]
    if as_json:
        emit_json({"data_dir": str(data_dir), "data": rows})
        return
    for row in rows:
        shape = " x ".join(str(side) for side in row["shape"])
        emit(
            f"{row['name']}: {row['classes']} classes, {row['train']:,} + {row['test']:,} "
            f"images of {shape}, {row['forms']}"
        )
        size = f"{row['download_bytes'] / 1e6:.0f} MB" if row["download_bytes"] else "needs a login"
        emit(f"  download: {size}; here: {row['folder'] or '-'}")


@app.command()
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            autocompletion=data_sets, help="Name of a data set, as in `ffebm data list`."
        ),
    ],
    data_dir: FolderOption = DATA,
) -> None:
    """Download a data set's files and unpack them.

    Checksums are verified. The same command resumes an interrupted download.
    """
    from ffebm_dsl.running.datasets.fetch import fetch as fetch_files

    for path in fetch_files(_known(name), data_dir):
        emit(str(path))


@app.command()
def verify(
    name: Annotated[
        str | None,
        typer.Argument(
            autocompletion=data_sets, help="Name of a data set. [default: all in the folder]"
        ),
    ] = None,
    data_dir: FolderOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """Verify all files of a data set.

    Checksums are compared, images and labels are read and counted.

    Exit code 0: all correct, as far as checksums are known; 1: not as published; 2: missing or
    damaged.
    """
    from ffebm_dsl.running.datasets.integrity import verify as verify_files

    reports, faults = [], []
    for known in [_known(name)] if name else _present(data_dir):
        try:
            reports.append(verify_files(known, data_dir))
        except InputError as fault:
            if name:
                raise
            faults.append(known.name)
            say(f"{known.name}: {fault}")
    if as_json:
        emit_json({"data": [_record(report) for report in reports], "damaged": faults})
    else:
        _print(reports)
    if faults:
        raise InputError(
            f"{', '.join(faults)}: files are missing or damaged",
            help="the messages above say which, and what to do",
            printed=as_json,
        )
    problems = [problem for report in reports for problem in report.problems]
    if problems:
        raise NegativeResult(
            "not as published:\n  " + "\n  ".join(problems),
            help="fetch the data set into another folder with --data-dir",
            printed=as_json,
        )


def _known(name: str) -> DataFiles:
    from ffebm_dsl.language.diagnostics.fix import did_you_mean
    from ffebm_dsl.running.datasets.places import CATALOGUE

    if name not in CATALOGUE:
        raise InputError(f"no data set is called {name!r}", help=did_you_mean(name, CATALOGUE))
    return CATALOGUE[name]


def _present(data_dir: Path) -> list[DataFiles]:
    """The data sets of which there is any file."""
    from ffebm_dsl.running.datasets.places import CATALOGUE, find

    there = [
        known
        for known in CATALOGUE.values()
        if any(find(layout, data_dir) for layout in known.layouts)
    ]
    if not there:
        raise InputError(
            f"there is no data set in {data_dir}",
            help="give --data-dir, or fetch one: ffebm data fetch NAME",
        )
    return there


def _listed(known: DataFiles, data_dir: Path) -> dict[str, Any]:
    from ffebm_dsl.running.datasets.places import find

    there = [(layout, find(layout, data_dir)) for layout in known.layouts]
    folder = next((str(next(iter(paths.values())).parent) for _, paths in there if paths), "")
    return {
        "name": known.name,
        "title": known.title,
        "classes": known.classes,
        "train": known.train,
        "test": known.test,
        "shape": list(known.shape),
        "forms": " or ".join(layout.form for layout in known.layouts),
        "download_bytes": sum(item.size for item in known.downloads),
        "folder": folder,
    }


def _record(report: Report) -> dict[str, Any]:
    return {
        "name": report.name,
        "form": str(report.form),
        "train": report.counts[0],
        "test": report.counts[1],
        "files": [
            {"path": str(file.path), "bytes": file.size, "checksum": str(file.sum)}
            for file in report.files
        ],
        "problems": list(report.problems),
    }


def _print(reports: Sequence[Report]) -> None:
    for report in reports:
        emit(
            f"{report.name}, {report.form}: {report.counts[0]:,} training and "
            f"{report.counts[1]:,} test images"
        )
        for file in report.files:
            emit(f"  {file.path}  {file.size:,} bytes, {file.sum}")
        emit(f"  {_verdict(report)}")


def _verdict(report: Report) -> str:
    if report.problems:
        return "not as published"
    if report.compared:
        return "ok"
    return "ok as far as is known: whole, with the right numbers of images and labels"
