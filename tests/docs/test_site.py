"""The documentation site: all pages, built without a warning, readable without a network."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest

from docsite.reference import pages, with_names
from ffebm_dsl.language.diagnostics.diagnostic import CODES
from ffebm_dsl.language.registry import TABLES
from tests.browser import browsing
from tests.docs.pages import ROOT

NAVIGATION = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:")[2]


def test_every_page_has_its_place() -> None:
    places = set(re.findall(r"(\S+\.md)$", NAVIGATION, re.MULTILINE))
    written = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert written | {name for name in pages() if "/FFE" not in name} <= places


def test_every_construct_has_its_card() -> None:
    made = pages()
    for name, table in TABLES.items():
        text = made[f"constructs/{name}.md"]
        for construct in table.visible().values():
            assert f"## {construct.name} {{ #{construct.name} }}" in text
            assert construct.doc in text
    assert {f"diagnostics/{code}.md" for code in CODES} <= set(made)
    assert "--data-dir" in made["options.md"] and "## ffebm data fetch" in made["options.md"]


def test_equations_are_kept_from_markdown() -> None:
    text = pages()["constructs/gradients.md"]
    assert "&lt;w, dv/dtheta&gt;" in text
    assert not re.search(r"^Equation: ", text, re.MULTILINE)


def test_tables_become_links() -> None:
    text = "<!-- table: schedules -->\n\n| call |\n| --- |\n\n<!-- table: train -->\n\n| key |\n"
    assert "[`cosine`](constructs/schedules.md#cosine)" in with_names(text)
    assert with_names(text).endswith("| key |\n")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed: make docs")
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site, served."""
    handler = partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and does not log."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


WIDTHS = (1280, 390)
LOOKED_AT = ("index", "tutorial", "language", "options", "constructs/gradients", "constructs/ops")


@pytest.mark.slow
def test_pages_fit_their_window_and_ask_no_network(address: str, tmp_path: Path) -> None:
    with browsing(tmp_path / "profile") as browser:
        for width in WIDTHS:
            browser.ask(
                "Emulation.setDeviceMetricsOverride",
                width=width,
                height=800,
                deviceScaleFactor=1,
                mobile=width < 500,
            )
            for name in LOOKED_AT:
                browser.events.clear()
                browser.open(f"{address}/{name}.html")
                assert browser.value("document.documentElement.scrollWidth") <= width
                assert not browser.complaints()
                assert all(u.startswith((address, "data:", "blob:")) for u in browser.requests())


@pytest.mark.slow
def test_a_search_finds_a_construct_and_a_code(address: str, tmp_path: Path) -> None:
    with browsing(tmp_path / "profile") as browser:
        for query, page in (("avg_pool2d", "ops.html"), ("FFE2003", "FFE2003.html")):
            browser.open(f"{address}/index.html?q={query}")
            found = (
                "[...document.querySelectorAll('.md-search-result a')].map(a => a.href).join(' ')"
            )
            until = time.monotonic() + 60
            while page not in browser.value(found) and time.monotonic() < until:
                time.sleep(0.1)
            assert page in browser.value(found)


@pytest.mark.slow
def test_specs_are_highlighted(site: Path) -> None:
    assert '<span class="k">feedforward</span>' in (site / "tutorial_data.html").read_text()
