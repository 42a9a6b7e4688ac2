"""Commands that only read a spec start without torch, numpy and h5py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SPEC = str(Path(__file__).parents[1] / "specs" / "small" / "digits.ffe")
HEAVY = {"h5py", "jinja2", "matplotlib", "numpy", "scipy", "sklearn", "torch"}


def imported_by(*arguments: str, status: int = 0) -> set[str]:
    """The top-level packages that ``python ARGUMENTS`` imports, by ``-X importtime``."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == status, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines}


ALL_CONSTRUCTS = """
from ffebm_dsl.language.registry import TABLES
print(sum(len(list(table.visible().values())) for table in TABLES.values()))
"""


def test_reading_every_construct_imports_nothing_heavy() -> None:
    assert not HEAVY & imported_by("-c", ALL_CONSTRUCTS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["train", "--help"],
        ["check", "--help"],
        ["eval", "--help"],
        ["report", "--help"],
        ["lsp", "--help"],
        ["show", SPEC],
        ["show", SPEC, "--json"],
        ["show", SPEC, "--after", "ir"],
        ["show", SPEC, "--graph", "-"],
        ["fmt", SPEC, "--check"],
        ["migrate", SPEC, "--diff"],
        ["convert", SPEC, "--to", "yaml"],
        ["schema"],
        ["specs", "list"],
        ["new", "--help"],
        ["check", SPEC, "--static"],
        ["check", SPEC, "--static", "--json"],
        ["data", "list"],
        ["data", "fetch", "--help"],
        ["check", SPEC, "--static", "--sarif"],
        ["diff", SPEC, SPEC],
    ],
    ids=" ".join,
)
def test_the_command_is_light(arguments: list[str]) -> None:
    packages = imported_by("-m", "ffebm_dsl", *arguments)
    assert "typer" in packages
    assert not packages & HEAVY


@pytest.mark.parametrize("command", [["eval"], ["train", "--resume"]], ids=" ".join)
def test_a_folder_that_is_no_run_is_told_first(tmp_path: Path, command: list[str]) -> None:
    packages = imported_by("-m", "ffebm_dsl", *command, str(tmp_path), status=2)
    assert not packages & HEAVY


@pytest.mark.parametrize(
    "line",
    ["ffebm ", "ffebm check sp", "ffebm explain F", "ffebm specs copy s", "ffebm data fetch "],
)
def test_completion_in_the_shell_is_light(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setenv("_FFEBM_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line.replace(" ", "\n"))
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    assert not imported_by("-m", "ffebm_dsl") & (HEAVY | {"lark", "rich"})


def test_train_reports_a_faulty_spec_before_it_loads_torch(tmp_path: Path) -> None:
    (tmp_path / "bad.ffe").write_text("ffe 1.0\nmodel")
    code = (
        "from ffebm_dsl.cli.main import main; import sys;"
        f"assert main(['train', {str(tmp_path / 'bad.ffe')!r}]) == 2; sys.stderr = None"
    )
    assert not imported_by("-c", code) & HEAVY


def test_bundled_data_are_read_without_the_library_that_brings_them() -> None:
    code = "from ffebm_dsl.running.datasets.raw import read_data; read_data('digits', {}, None)"
    assert not imported_by("-c", code) & {"sklearn", "scipy"}


def test_the_package_is_light() -> None:
    code = f"import ffebm_dsl; ffebm_dsl.compile_spec(ffebm_dsl.read_source({SPEC!r}))"
    packages = imported_by("-c", code)
    assert not packages & (HEAVY | {"rich", "typer"})


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["check", "--help"], ["lsp", "--help"]]
)
def test_help_loads_neither_the_parser_nor_rich(arguments: list[str]) -> None:
    assert not imported_by("-m", "ffebm_dsl", *arguments) & {"lark", "rich"}


def test_the_language_server_is_light() -> None:
    """It is asked about a spec, over its own protocol, until its input ends."""
    code = (
        "from ffebm_dsl.cli.lsp import lsp; from ffebm_dsl.tools.editor.analysis import *;"
        "from ffebm_dsl.tools.editor.complete import *; from ffebm_dsl.tools.editor.hover import *;"
        "from ffebm_dsl.tools.editor.answers import OpenDocument, symbols; import ffebm_dsl as f;"
        f"a = analyse(f.read_source({SPEC!r})); complete(a, 99), hover(a, 99);"
        "list(symbols(a.program.items, OpenDocument('file:///a', a, 'utf-8'))); lsp()"
    )
    packages = imported_by("-c", code)
    assert "pygls" in packages
    assert not packages & (HEAVY | {"rich"})


def test_only_the_language_server_loads_its_protocol() -> None:
    assert not imported_by("-m", "ffebm_dsl", "--help") & {"pygls", "lsprotocol"}
    assert not imported_by("-m", "ffebm_dsl", "check", SPEC, "--static") & {"pygls", "lsprotocol"}


def test_a_heavy_import_would_be_seen() -> None:
    assert "numpy" in imported_by("-c", "import numpy.linalg")
