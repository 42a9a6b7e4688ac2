"""Installed packages that bring constructs.

A distribution brings constructs by an entry point of the group ``ffebm.constructs``, whose
value is an importable package with a folder for each table, like ``ffebm_dsl.constructs``::

    [project.entry-points."ffebm.constructs"]
    mylab = "mylab.constructs"

with, say, ``mylab/constructs/activations/softsign.py``. ffebm declares its own in the same way
and reads them by the same code. A spec sees the constructs of the packages that it names, and
no others: what happens to be installed changes nothing.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.registry.tables import OWN, TABLES, normalised

GROUP = "ffebm.constructs"


@dataclass(frozen=True)
class Package:
    """A distribution with constructs: its name and version, and the packages of its folders."""

    name: str
    version: str
    folders: tuple[str, ...]


class PackageError(InputError):
    """A package whose constructs cannot be used. ``clash``: for a name that is taken."""

    def __init__(
        self, message: str, help: str = "tell its authors", *, clash: bool = False
    ) -> None:
        super().__init__(message, help=help)
        self.clash = clash


def use(name: str, least: str) -> Package:
    """The installed package ``name``, its constructs entered into the tables.

    Raises:
        PackageError: it is not installed, older than ``least``, or of no use; see :func:`load`.
    """
    install = f"pip install '{name}>={least}'"
    package = find_package(name)
    if package is None:
        raise PackageError(f"the package `{name}` is not installed", install)
    if is_older(package.version, least):
        message = f"the text needs `{name}` {least}, and {package.version} is installed"
        raise PackageError(message, install)
    if not package.folders:
        remedy = "leave the statement out, or install the package that is meant"
        raise PackageError(f"the package `{name}` brings no constructs", remedy)
    load(package)
    return package


def find_package(name: str) -> Package | None:
    """The installed distribution ``name``, with no folders where it brings no constructs."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    folders = tuple(entry.value for entry in found.entry_points.select(group=GROUP))
    return Package(found.metadata["Name"], found.version, folders)


def is_older(version: str, least: str) -> bool:
    """Whether an installed ``version`` is below the ``least`` that is wanted, by PEP 440.

    A pre-release or development version counts as the release that it comes before.
    """
    from packaging.version import Version

    return Version(release(version)) < Version(least)


def release(version: str) -> str:
    """The numbers of a version, as a ``use`` statement names it: ``0.3`` of ``0.3rc1``."""
    from packaging.version import Version

    return Version(version).base_version


def load(package: Package) -> None:
    """Enter the constructs of a package into the tables; none of their files is read yet.

    Raises:
        PackageError: its folders cannot be found or are not those of tables, or a name is
            taken already.
    """
    owner = normalised(package.name)
    found = [
        (table, name, f"{folder}.{table}.{name}")
        for folder in package.folders
        for table, name in _listed(folder, package.name)
    ]
    for table, name, module in found:
        other = TABLES[table].owner(name)
        if other is not None and TABLES[table].module(name) != module:
            raise PackageError(
                f"`{package.name}` and `{other}` both bring {TABLES[table].noun} `{name}`",
                "a text can use one of them; only its authors can rename a construct",
                clash=True,
            )
    for table, name, module in found:
        TABLES[table].enter(name, module, owner)


def origin(error: BaseException) -> str:
    """The package in whose code ``error`` was raised, or whose code called it; ``""`` if ffebm."""
    owners = {t.module(n).partition(".")[0]: t.owner(n) for t in TABLES.values() for n in t}
    modules = [str(f.f_globals.get("__name__")) for f, _ in walk_tb(error.__traceback__)]
    found = [owners.get(module.partition(".")[0]) or OWN for module in modules]
    return next((owner for owner in reversed(found) if owner != OWN), "")


def offers(table: str, name: str) -> list[Package]:
    """Installed packages that bring the construct ``name``, whether a spec uses them or not."""
    return [p for p in _installed() if (table, name) in _contents(p)]


@cache
def _installed() -> tuple[Package, ...]:
    from importlib.metadata import entry_points

    names = {entry.dist.name for entry in entry_points(group=GROUP) if entry.dist is not None}
    others = sorted(name for name in names if normalised(name) != OWN)
    return tuple(package for name in others if (package := find_package(name)) is not None)


@cache
def _contents(package: Package) -> frozenset[tuple[str, str]]:
    """Table and name of all it brings; nothing where its folders are faulty."""
    try:
        return frozenset(
            entry for folder in package.folders for entry in _listed(folder, package.name)
        )
    except PackageError:
        return frozenset()


def _listed(folder: str, package: str) -> list[tuple[str, str]]:
    """Table and name of every construct in the folders of ``folder``."""
    try:
        spec = find_spec(folder)
    except Exception as error:  # the code of the package above it runs, and may raise anything
        raise PackageError(f"`{package}` cannot be imported: {error}") from error
    if spec is None or spec.submodule_search_locations is None:
        raise PackageError(f"`{package}` has no package `{folder}`, which it says it has")
    places = [Path(place) for place in spec.submodule_search_locations]
    tables = sorted(p for place in places for p in place.iterdir() if p.is_dir())
    listed = []
    for path in tables:
        if path.name.startswith(("_", ".")):
            continue
        if path.name not in TABLES or not TABLES[path.name].extensible:
            known = ", ".join(name for name in sorted(TABLES) if TABLES[name].extensible)
            raise PackageError(
                f"`{package}` has a folder `{path.name}` in `{folder}`, which is no table that a "
                f"package adds to: {known}"
            )
        names = (module.name for module in pkgutil.iter_modules([str(path)]))
        listed += [(path.name, name) for name in names if not name.startswith("_")]
    return listed
