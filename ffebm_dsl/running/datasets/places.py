"""The data sets that are distributed as files of their own, and their paths in the data directory.

Plain data and paths; nothing is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.registry import DATA
from ffebm_dsl.language.registry.data_constructs import DataFiles, Form, Layout

CATALOGUE: Mapping[str, DataFiles] = MappingProxyType(
    {name: construct.files for name, construct in DATA.items() if construct.files is not None}
)
"""The files of the data sets that have files of their own, by name."""


@dataclass(frozen=True)
class Located:
    """The files of one layout, by their names in the catalogue."""

    known: DataFiles
    layout: Layout
    paths: Mapping[str, Path]

    @property
    def train(self) -> list[Path]:
        return [self.paths[name] for name in self.layout.train]

    @property
    def test(self) -> list[Path]:
        return [self.paths[name] for name in self.layout.test]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.paths[name].name for name in self.layout.files)


def locate(known: DataFiles, data_dir: Path | None) -> Located:
    """All files of the data set, in the first layout with at least one existing file.

    Raises:
        InputError: no data directory; no file of any layout; some files of a layout missing.
    """
    if data_dir is None:
        raise InputError(
            f"data set {known.name} needs a data directory",
            help=f"give --data-dir DIR where you have it; {how_to_get(known, Path('data'))}",
        )
    for layout in known.layouts:
        paths = find(layout, data_dir)
        if not paths:
            continue
        for name in layout.files:
            if name not in paths:
                raise _missing(known, layout, name, data_dir)
        return Located(known, layout, paths)
    raise _missing(known, known.layouts[0], known.layouts[0].train[0], data_dir)


def find(layout: Layout, data_dir: Path) -> dict[str, Path]:
    """The existing files of a layout."""
    found = {}
    for name in layout.files:
        candidates = (name, f"{name}.gz") if layout.form is Form.IDX else (name,)
        for folder in layout.folders:
            there = [data_dir / folder / n for n in candidates if (data_dir / folder / n).is_file()]
            if there:
                found[name] = there[0]
                break
    return found


def _missing(known: DataFiles, layout: Layout, name: str, data_dir: Path) -> InputError:
    looked = ", ".join(str(data_dir / folder) for folder in layout.folders)
    or_zipped = f" (or {name}.gz)" if layout.form is Form.IDX else ""
    return InputError(
        f"{known.title} file {name}{or_zipped} is not there; looked in {looked}",
        help=how_to_get(known, data_dir),
    )


def how_to_get(known: DataFiles, data_dir: Path) -> str:
    """One sentence: the command that fetches the data set, or the files to copy by hand."""
    by_hand = f"put {_wanted(known)}".replace(" DIR", f" {data_dir}")
    if known.downloads:
        return f"`ffebm data fetch {known.name} --data-dir {data_dir}` gets it, or {by_hand}"
    return f"download it from {known.origin} (a login is needed) and {by_hand}"


def _wanted(known: DataFiles) -> str:
    """The files and the folder of every layout, with ``DIR`` for the data directory."""
    return "; or ".join(
        f"{', '.join(_ends(layout.files))} ({layout.form}) into DIR/{layout.folder}"
        for layout in known.layouts
    )


def _ends(names: tuple[str, ...]) -> tuple[str, ...]:
    """Abbreviate long lists of names to the first and the last two."""
    return names if len(names) <= 4 else (names[0], "...", *names[-2:])
