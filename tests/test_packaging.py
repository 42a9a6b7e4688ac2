"""The contents of a wheel."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

import ffebm_dsl
from tests.lowest import lowest

ROOT = Path(__file__).parents[1]
FOLDERS = {"ffebm_dsl": "ffebm_dsl"} | {
    name: f"ffebm_dsl/{name}" for name in ("cli", "grammar", "specs")
}
"""Folder in the repository -> folder in the wheel."""

STRAYS = (
    "specs/runs/digits/spec.ffe",
    "specs/small/runs/digits/spec.ffe",
    "grammar/messages/notes.txt",
)
"""What use of the repository leaves in it."""


def test_one_version_everywhere() -> None:
    """Of the package, in the changelog's newest release, the citation and the extension."""
    texts = {
        name: (ROOT / name).read_text(encoding="utf-8") for name in ("CHANGELOG.md", "CITATION.cff")
    }
    released = re.findall(r"^## \[([0-9.]+)\]", texts["CHANGELOG.md"], re.MULTILINE)
    (cited,) = re.findall(r"^version: (.*)$", texts["CITATION.cff"], re.MULTILINE)
    extension = json.loads((ROOT / "editors/vscode/package.json").read_text(encoding="utf-8"))
    assert {released[0], cited, extension["version"]} == {ffebm_dsl.__version__}


@pytest.mark.slow
def test_the_wheel_passes_the_tests_of_the_sdist_outside_of_the_tree(tmp_path: Path) -> None:
    """The wheel is made from the sdist, whose own copy of the package is taken away."""
    for command in (
        ["build", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)],
        [
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--target",
            str(tmp_path / "site"),
        ],
    ):
        wheels = map(str, (tmp_path / "dist").glob("*.whl"))
        subprocess.run([sys.executable, "-m", *command, *wheels], check=True, cwd=tmp_path)
    (archive,) = (tmp_path / "dist").glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    for folder in ("ffebm_dsl", "cli"):
        shutil.rmtree(source / folder)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", "import ffebm_dsl.cli as cli; print(cli.__file__)"]
    found = subprocess.run(command, cwd=source, env=environment, capture_output=True, check=True)
    assert Path(found.stdout.decode().strip()).is_relative_to(tmp_path / "site")
    rooms = ["golden", "specs", "cli/test_show.py", "cli/test_export.py", "cli/test_train.py"]
    tests = [f"tests/{room}" for room in (*rooms, "unit/running/training/test_loop.py")]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
    subprocess.run([*command, *tests], cwd=source, env=environment, check=True)


def test_every_dependency_has_a_lowest_version() -> None:
    found = lowest()
    assert found["torch"] == "2.13" and all(Version(version) for version in found.values())


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "runs")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tmp_path)
    expected = {
        f"{installed}/{file.relative_to(tmp_path / folder).as_posix()}"
        for folder, installed in FOLDERS.items()
        for file in (tmp_path / folder).rglob("*")
        if file.is_file()
    }
    for stray in STRAYS:
        (tmp_path / stray).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / stray).write_text("{}")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", "dist", "."]
    subprocess.run(build, cwd=tmp_path, check=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == expected
