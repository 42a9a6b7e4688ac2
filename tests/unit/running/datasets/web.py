"""A local web server that can misbehave in every way that a download must survive."""

from __future__ import annotations

import hashlib
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ffebm_dsl.language.registry.data_constructs import Download


@dataclass(frozen=True)
class Page:
    """What the server gives for a path.

    Attributes:
        content: the bytes.
        status: another status than 200.
        location: where it redirects to.
        cut: close the connection after so many bytes in all.
        ranges: whether a request can ask for a part.
        announce: another length than that of the content; 0: none.
        shift: answer requests for a part with one that begins so many bytes later.
    """

    content: bytes = b""
    status: int = 200
    location: str = ""
    cut: int = -1
    ranges: bool = True
    announce: int = -1
    shift: int = 0


@dataclass
class Web:
    """A running server: its address, its pages by path, and the requests that it saw."""

    address: str
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"


def item(web: Web, content: bytes, name: str = "file.gz", **changes: Any) -> Download:
    """The file that a page gives, as the catalogue would have it."""
    web.pages.setdefault(f"/{name}", Page(content))
    sha256 = hashlib.sha256(content).hexdigest()
    facts = {"urls": (web.url(name),), "size": len(content), "sha256": sha256}
    return Download(name, **{**facts, **changes})


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Web]:
    """The server, until the end of the block; https where there is a context."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            web.requests.append((self.path, asked))
            answer(self, web.pages, asked)

        def log_message(self, *_: Any) -> None:
            """Tests print nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that leaves is no fault."""

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    web = Web(f"{scheme}://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, pages: Mapping[str, Page], asked: str) -> None:
    page = pages.get(handler.path, Page(status=404))
    match = re.fullmatch(r"bytes=(\d+)-", asked) if page.ranges else None
    start = int(match[1]) + page.shift if match else 0
    body = page.content[start:]
    handler.send_response(206 if match and page.status == 200 else page.status)
    if page.location:
        handler.send_header("Location", page.location)
    if match:
        whole = len(page.content)
        handler.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
    if page.announce:
        handler.send_header(
            "Content-Length", str(len(body) if page.announce < 0 else page.announce)
        )
    handler.end_headers()
    handler.wfile.write(body if page.cut < 0 else page.content[start : page.cut])
    handler.close_connection = True
