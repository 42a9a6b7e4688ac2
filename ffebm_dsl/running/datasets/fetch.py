"""Getting a data set's files from where their authors put them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ffebm_dsl.language.diagnostics import AnyPath, InputError
from ffebm_dsl.language.registry.data_files import DataFiles, Download
from ffebm_dsl.running.datasets.checksums import digest, read_sums, write_sums
from ffebm_dsl.running.datasets.download import Policy, download
from ffebm_dsl.running.datasets.places import find, how_to_get
from ffebm_dsl.running.datasets.progress import say
from ffebm_dsl.running.datasets.unpack import unpack

HTTPS = Policy()


def fetch(known: DataFiles, data_dir: AnyPath, policy: Policy = HTTPS) -> list[Path]:
    """The files of a data set, in the first of its layouts; what is there stays as it is.

    Every download is held against its SHA-256 before it gets its name. Archives are
    unpacked, and removed once they are.

    Raises:
        InputError: no address for it; no address answers, or another file comes; files are
            in the way.
        StorageError: the disk is full or refuses.
    """
    data_dir = Path(data_dir)
    if not known.downloads:
        raise InputError(
            f"{known.title} cannot be fetched: {known.origin} asks for a login",
            help=how_to_get(known, data_dir),
        )
    for layout in known.layouts:
        there = find(layout, data_dir)
        if len(there) == len(layout.files):
            say(
                f"{known.title} is there already, in {there[layout.files[0]].parent}; "
                f"`ffebm data verify {known.name} --data-dir {data_dir}` checks it"
            )
            return [*there.values()]
    folder = data_dir / known.layouts[0].folder
    return [path for item in known.downloads for path in _fetch(item, data_dir, folder, policy)]


def _fetch(item: Download, data_dir: Path, folder: Path, policy: Policy) -> list[Path]:
    if not item.members:
        target = folder / item.name
        _bring(item, target, policy)
        return [target]
    in_the_way = [
        name.name
        for name in map(PurePosixPath, item.members)
        if (folder / name.name).exists() and name.name not in read_sums(folder)
    ]
    if in_the_way:
        raise InputError(
            f"{folder} holds {', '.join(in_the_way)} already, and not all files of the set",
            help="move them away, or give another --data-dir",
        )
    archive = data_dir / item.name
    _bring(item, archive, policy)
    say(f"unpacking {archive}")
    paths = unpack(archive, item.members, folder)
    write_sums(folder, {path.name: digest(path, "sha256") for path in paths})
    archive.unlink()
    return paths


def _bring(item: Download, target: Path, policy: Policy) -> None:
    """Download ``item`` unless it is there, also if it was put there by hand."""
    if not target.exists():
        download(item, target, policy)
        return
    found = digest(target, "sha256")
    if found != item.sha256:
        raise InputError(
            f"{target} is there, and its SHA-256 is {found}, not {item.sha256}",
            help="remove it or move it away, then fetch again",
        )
    say(f"{target} is there already, and its checksum is right")
