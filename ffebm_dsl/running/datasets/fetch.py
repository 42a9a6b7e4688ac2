"""Download the files of data sets from their original addresses, with pooch."""

from __future__ import annotations

import logging
import os
import tarfile
import tempfile
from functools import partial
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any

from ffebm_dsl import __version__
from ffebm_dsl.language.diagnostics import AnyPath, InputError
from ffebm_dsl.language.registry.data_constructs import DataFiles, Download
from ffebm_dsl.running.datasets.checksums import digest, read_sums, write_sums
from ffebm_dsl.running.datasets.file_progress import bar, say
from ffebm_dsl.running.datasets.places import find, how_to_get
from ffebm_dsl.running.storage import FileLock, rename_durably, storing

TIMEOUT = 30.0
"""Seconds without data after which a connection is given up."""

AT_ONCE = 1 << 16


def fetch(known: DataFiles, data_dir: AnyPath) -> list[Path]:
    """The files of a data set, in the first of its layouts; existing files are kept.

    The SHA-256 of every download is verified before the file gets its name. Archives are removed
    after unpacking.

    Raises:
        InputError: the data set has no address; no address answers, or one returns a different
            file; other files are in the way.
        StorageError: the disk is full or fails.
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
    return [path for item in known.downloads for path in _fetch(item, data_dir, folder)]


def _fetch(item: Download, data_dir: Path, folder: Path) -> list[Path]:
    if not item.members:
        _bring(item, folder / item.name)
        return [folder / item.name]
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
    _bring(item, archive)
    say(f"unpacking {archive}")
    paths = unpack(archive, [*item.members], folder)
    write_sums(folder, {path.name: digest(path) for path in paths})
    archive.unlink()
    return paths


def _bring(item: Download, target: Path) -> None:
    """Download ``item`` unless it exists, from whatever source."""
    if target.exists():
        found = digest(target)
        if found != item.sha256:
            raise InputError(
                f"{target} exists, but its SHA-256 is {found}, not {item.sha256}",
                help="remove it or move it away, then fetch again",
            )
        say(f"{target} is there already, and its checksum is right")
        return
    with storing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    with lock:
        try:
            download(item, target)
        finally:
            lock.path.unlink(missing_ok=True)


def download(item: Download, target: AnyPath) -> None:
    """Download ``item`` to ``target``, from the first of its addresses that works.

    An interrupted download is kept in ``.NAME.part`` beside the target and continued.

    Raises:
        InputError: no address provides the file, or the content is different.
        StorageError: the disk is full or fails.
    """
    import pooch
    from requests import ConnectionError, RequestException

    pooch.get_logger().setLevel(logging.ERROR)
    target = Path(target)
    part = target.with_name(f".{target.name}.part")
    failures = []
    for url in item.urls:
        try:
            pooch.retrieve(
                url,
                f"sha256:{item.sha256}",
                target.name,
                target.parent,
                downloader=partial(_continue, item, part),
            )
            return
        except RequestException as error:
            reached = "not reached: " if isinstance(error, ConnectionError) else ""
            failures.append(f"{url}: {reached}{error}")
        except ValueError as error:
            raise InputError(
                f"{url} gave another file than expected, which was removed: {error}",
                help="try again; if that does not help, the file at this address was changed",
            ) from error
    raise InputError(
        f"{item.name} could not be downloaded:\n  " + "\n  ".join(failures),
        help=f"run the same command again to continue the download. Offline: get {item.name} "
        f"({item.size:,} bytes, SHA-256 {item.sha256}) on another machine, from {item.urls[0]}, "
        f"put it at {target}, and run the same command again",
    )


def _continue(item: Download, part: Path, url: str, output: str, _: Any) -> None:
    """A downloader for pooch that continues the unfinished file ``part``.

    A wrong answer of the server is detected by pooch's checksum, and the file removed.

    Raises:
        RequestException: the server does not answer, or the transfer is incomplete.
        StorageError: the disk is full or fails.
    """
    import requests

    done = part.stat().st_size if part.exists() else 0
    if done < item.size:
        headers = {"User-Agent": f"ffebm/{__version__}", "Accept-Encoding": "identity"}
        if done:
            headers["Range"] = f"bytes={done}-"
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            response.raise_for_status()
            if response.status_code != HTTPStatus.PARTIAL_CONTENT:
                done = 0
            _append(item, part, done, response)
    with storing(part):
        part.replace(output)


def _append(item: Download, part: Path, done: int, response: Any) -> None:
    """Append a response after the first ``done`` bytes of ``part``, up to the size of the file."""
    from requests import RequestException

    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and done + int(announced) != item.size:
        # Checked before the file is opened: an error page must not replace earlier progress.
        raise RequestException(f"the server announces {announced} bytes, not {item.size - done}")
    say(f"{item.name}: {item.size:,} bytes from {response.url}" + (f", from {done:,}" * bool(done)))
    with storing(part):
        file = part.open("ab" if done else "wb")
    with file, bar(item.name, item.size, "B", done) as progress:
        for chunk in response.iter_content(AT_ONCE):
            with storing(part):
                file.write(chunk)
                file.flush()
            done += len(chunk)
            progress.update(len(chunk))
            if done > item.size:
                return
    if done < item.size:
        raise RequestException(f"the connection ended after {done} of {item.size} bytes")


def unpack(archive: AnyPath, members: list[str], folder: AnyPath) -> list[Path]:
    """Unpack the ``members`` of an archive with a verified checksum into ``folder``.

    They are renamed once all of them are unpacked and durable.

    Raises:
        InputError: a member is missing.
        StorageError: the disk is full or fails.
    """
    folder = Path(folder)
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        holder = tempfile.TemporaryDirectory(prefix=".unpacking", dir=folder)
    with holder as unpacked:
        try:
            with tarfile.open(archive, "r:gz") as tar, storing(folder):
                for name in members:
                    tar.extract(name, unpacked, filter="data")
                    with (Path(unpacked) / name).open("rb") as file:
                        os.fsync(file.fileno())
        except (tarfile.TarError, KeyError, EOFError) as error:
            raise InputError(f"{archive} cannot be unpacked: {error}") from error
        paths = [folder / PurePosixPath(name).name for name in members]
        for name, path in zip(members, paths, strict=True):
            rename_durably(Path(unpacked) / name, path)
    return paths
