"""The command lines of the pages do what the pages show.

Every ``console`` block is run, ``$`` by ``$``, in the order of its page and in one folder with the
files of the page's titled blocks; the output must be that of the page. ``...`` matches any text.
After ``<!-- numbers vary -->`` a number matches any number. Every other command line must be
accepted by ``ffebm``.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from docsite.reference import commands as known_commands
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.diagnostics.diagnostic import CODES
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.syntax.grammar import VERSIONS
from tests.docs.pages import PAGES, ROOT, Block, blocks, commands
from tests.unit.language.diagnostics.pages import examples

LONG = {"README.md", "report.md", "tutorial.md", "tutorial_data.md", "tutorial_energy.md"}
"""Pages whose blocks train or check a network."""

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NUMBER = re.compile(r"\[?[+-]?\b\d[\d.,]*(?:e[+-]?\d+)?%?")
RULE = re.compile("─+")  # of a table, as wide as its numbers


def runnable() -> list[object]:
    pages = [page for page in PAGES if any(b.language == "console" for b in blocks(page))]
    mark = pytest.mark.slow
    return [
        pytest.param(page, id=page.stem, marks=[mark] if page.name in LONG else [])
        for page in pages
    ]


def run(line: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    plain = {"PATH": path, "COLUMNS": "80", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**os.environ, **plain},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.stdout


def shown(block: Block) -> list[tuple[str, str]]:
    """The commands of a block, each with what the page shows of it."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [(line, text) for line, _, text in (part.partition("\n") for part in parts)]


def agree(expected: str, printed: str, varies: bool) -> bool:
    if varies:
        expected, printed = (RULE.sub("─", NUMBER.sub("0", text)) for text in (expected, printed))
    return doctest.OutputChecker().check_output(expected, printed, FLAGS)


@pytest.mark.parametrize("page", runnable())
def test_the_console_blocks(page: Path, tmp_path: Path) -> None:
    for name in ("specs", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    for block in blocks(page):
        if block.title:
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
        if block.language == "console":
            for line, expected in shown(block):
                printed = run(line, tmp_path)
                assert agree(expected, printed, block.varies), f"$ {line}\n{printed}"


LINES = sorted({(page.name, line) for page in PAGES for line in commands(page)})


@pytest.mark.parametrize(("page", "line"), LINES)
def test_the_command_is_one_that_ffebm_takes(page: str, line: str) -> None:
    known = known_commands()
    words = shlex.split(re.split(r" (?:[|>]|&&) ", line)[0], comments=True)[1:]
    name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
    arguments = words[len(name.split()) :]
    known[name].make_context(name, arguments)
    for word in arguments:
        if word.startswith("specs/") and "SPEC" not in word:
            assert (ROOT / word).is_file()


def test_there_are_commands_on_many_pages() -> None:
    assert len({page for page, _ in LINES}) >= 10
    assert len(runnable()) >= 5


SPECS = [(page.name, b) for page in PAGES for b in blocks(page) if b.title and b.language == "ffe"]


@pytest.mark.parametrize(("page", "block"), SPECS)
def test_a_spec_with_a_title_compiles(page: str, block: Block) -> None:
    assert not compile_spec(SourceFile(block.title, block.text)).warnings


def test_specs_state_the_present_version() -> None:
    """On the pages and in ``ffebm explain``, but for the codes that are about the version."""
    texts = [(page.name, b.text) for page in PAGES for b in blocks(page) if b.language == "ffe"]
    for code in CODES.keys() - {"FFE0007", "FFE0010"}:
        texts += [(code, e.text) for e in examples(code).values() if e.form == "ffe"]
    stated = [(name, text.split()[1]) for name, text in texts if text.startswith("ffe ")]
    assert len(stated) > 100
    assert [name for name, version in stated if version != VERSIONS[-1]] == []


def test_a_difference_is_seen() -> None:
    assert agree("loss 0.5\n...\nend\n", "loss 0.7\nmore\nend\n", varies=True)
    assert agree("loss\n────\n0.5\n", "loss\n──────\n-0.75\n", varies=True)
    assert not agree("loss\n────\n0.5\n", "loss\n──────\n0.5\n", varies=False)
    assert not agree("loss 0.5\n", "loss 0.7\n", varies=False)
    assert not agree("loss 0.5\n", "cost 0.5\n", varies=True)
    assert not agree("", "error: no such file\n", varies=False)
