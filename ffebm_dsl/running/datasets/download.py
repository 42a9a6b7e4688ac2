"""One file from the web: https, of a known size and checksum, resumable, whole or not there."""

from __future__ import annotations

import http.client
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from ffebm_dsl import __version__
from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.registry.data_files import Download
from ffebm_dsl.running.datasets.checksums import digest
from ffebm_dsl.running.datasets.durable import lock, put, write_all
from ffebm_dsl.running.datasets.progress import bar, say
from ffebm_dsl.running.storage import storing

AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Policy:
    """What a download may do.

    Attributes:
        schemes: of the address and of every address it is redirected to.
        redirects: how often.
        timeout: seconds without a byte.
        context: whom to trust; None for the system's certificates.
    """

    schemes: frozenset[str] = frozenset({"https"})
    redirects: int = 5
    timeout: float = 30.0
    context: ssl.SSLContext | None = None


class Failure(Exception):
    """A server did not give the file; another may."""


def download(item: Download, target: Path, policy: Policy) -> None:
    """Get ``item`` to ``target``, from the first of its addresses that gives it.

    What is there of an earlier try, in ``.NAME.part`` beside the target, is gone on with.

    Raises:
        InputError: no address gives the file, or what came is another file.
        StorageError: the disk is full or refuses.
    """
    part = target.with_name(f".{target.name}.part")
    with _held(part) as file:
        failures = []
        for url in item.urls:
            try:
                _get(item, url, file, policy)
                break
            except Failure as failure:
                failures.append(f"{url}: {failure}")
        else:
            raise _unreachable(item, target, failures)
        found = digest(part, "sha256")
        if found != item.sha256:
            part.unlink()
            raise InputError(
                f"{url} gave another file than expected: its SHA-256 is {found}, "
                f"not {item.sha256}; it was removed",
                help="try again; if that does not help, the file at this address was changed",
            )
        put(part, target)


@contextmanager
def _held(part: Path) -> Iterator[IO[bytes]]:
    """The unfinished file, for this process alone."""
    with storing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("ab", buffering=0)
    with file:
        if not lock(file, part):
            raise InputError(
                f"another process is downloading to {part}", help="wait for it, or stop it"
            )
        try:
            yield file
        finally:
            if not os.fstat(file.fileno()).st_size:
                part.unlink(missing_ok=True)


def _get(item: Download, url: str, file: IO[bytes], policy: Policy) -> None:
    """Append to ``file`` what it lacks of the item; Failure where the server does not give it."""
    done = file.tell()
    if done > item.size:
        done = file.truncate(0)
    if done == item.size:
        return
    with closing(_open(url, done, policy)) as response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            done = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            raise Failure("the server goes on at another byte than was asked for")
        announced = response.headers.get("Content-Length", "")
        if announced.isdigit() and done + int(announced) != item.size:
            raise Failure(f"the server announces {announced} bytes, not {item.size - done}")
        if not done:
            # Only now: a page of some other kind must not cost what an earlier try got.
            file.truncate(0)
        say(f"{item.name}: {item.size:,} bytes from {url}" + (f", from {done:,}" * bool(done)))
        with bar(item.name, item.size, "B", done) as progress:
            for chunk in _chunks(response):
                done += len(chunk)
                if done > item.size:
                    raise Failure(f"the server sends more than {item.size} bytes")
                with storing(Path(file.name)):
                    write_all(file, chunk)
                progress.update(len(chunk))
    if done < item.size:
        raise Failure(f"the connection ended after {done} of {item.size} bytes")


def _chunks(response: Any) -> Iterator[bytes]:
    try:
        while chunk := response.read(AT_ONCE):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise Failure(f"the connection broke: {error!r}") from error


def _open(url: str, start: int, policy: Policy) -> Any:
    """The response to a request for the file from byte ``start`` on."""
    _check(url, policy)
    headers = {"User-Agent": f"ffebm/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    opener = urllib.request.OpenerDirector()
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=policy.context),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(policy),
    ]
    for handler in handlers:
        opener.add_handler(handler)
    try:
        return opener.open(urllib.request.Request(url, headers=headers), timeout=policy.timeout)
    except urllib.error.HTTPError as error:
        error.close()
        raise Failure(f"the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise Failure(f"not reached: {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Failure(f"not reached: {error!r}") from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to addresses that the policy admits, so often and no more."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.left = policy, policy.redirects

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        _check(newurl, self.policy)
        self.left -= 1
        if self.left < 0:
            raise Failure(f"more than {self.policy.redirects} redirections")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check(url: str, policy: Policy) -> None:
    if urlsplit(url).scheme not in policy.schemes:
        raise Failure(f"{url} is not {' or '.join(sorted(policy.schemes))}")


def _unreachable(item: Download, target: Path, failures: list[str]) -> InputError:
    return InputError(
        f"{item.name} could not be downloaded:\n  " + "\n  ".join(failures),
        help=f"run the same command again to go on where it stopped. Offline: get {item.name} "
        f"({item.size:,} bytes, SHA-256 {item.sha256}) on another machine, from {item.urls[0]}, "
        f"put it at {target}, and run the same command again",
    )
