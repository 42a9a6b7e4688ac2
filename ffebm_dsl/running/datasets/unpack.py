"""The files that are wanted out of a ``.tar.gz`` archive, and nothing else.

Names to write come from the catalogue, never from the archive: what it says of paths,
links, owners and modes has no effect. A member of a wanted name must be a plain file of
the wanted size.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ffebm_dsl.running.datasets.durable import put, write_all
from ffebm_dsl.running.datasets.raw import damaged
from ffebm_dsl.running.storage import storing

SPARE_BYTES = 1 << 24
"""What an archive may hold besides the wanted files: pages, names of classes."""

AT_ONCE = 1 << 20

FAULTS = (tarfile.TarError, EOFError, zlib.error, OSError)


def unpack(archive: Path, members: Mapping[str, int], folder: Path) -> list[Path]:
    """Put the ``members`` (name in the archive -> size) into ``folder``, by their last names.

    Files get their names when all of them are there.

    Raises:
        InputError: a damaged archive; a member missing, of another size, or no plain file.
        StorageError: the disk is full or refuses.
    """
    targets = {name: folder / PurePosixPath(name).name for name in members}
    unfinished = {
        name: path.with_name(f".{path.name}.unfinished") for name, path in targets.items()
    }
    try:
        _extract(archive, members, unfinished)
        for name, path in targets.items():
            put(unfinished[name], path)
    finally:
        for path in unfinished.values():
            path.unlink(missing_ok=True)
    return [*targets.values()]


def _extract(archive: Path, members: Mapping[str, int], paths: Mapping[str, Path]) -> None:
    wanted, spare = set(members), SPARE_BYTES
    try:
        with tarfile.open(archive, "r|gz") as tar:
            for info in tar:
                if info.name not in members:
                    spare -= info.size + tarfile.BLOCKSIZE
                    if spare < 0:
                        raise damaged(f"{archive} holds much besides the files that are wanted")
                    continue
                if info.name not in wanted or not info.isreg() or info.size != members[info.name]:
                    raise damaged(
                        f"{archive}: {info.name} is not one plain file of "
                        f"{members[info.name]} bytes"
                    )
                wanted.remove(info.name)
                _write(tar, info, paths[info.name])
    except FAULTS as error:
        raise damaged(f"{archive} cannot be unpacked: {error}") from error
    if wanted:
        raise damaged(f"{archive} has no file {min(wanted)}")


def _write(tar: tarfile.TarFile, info: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(info)
    assert source is not None, "the member is a plain file"
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        file = path.open("xb", buffering=0)
    with file:
        left = info.size
        while left:
            chunk = source.read(min(AT_ONCE, left))
            if not chunk:
                raise EOFError(f"{info.name} ends {left} bytes early")
            left -= len(chunk)
            with storing(path):
                write_all(file, chunk)
