"""What a wheel holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {"ffebm_dsl": "ffebm_dsl"} | {
    name: f"ffebm_dsl/{name}" for name in ("cli", "grammar", "specs")
}
"""Folder in the repository -> folder in the wheel."""


STRAYS = (
    "grammar/editors/vscode/node_modules/vscode-languageclient/package.json",
    "grammar/editors/vscode/node_modules/semver/index.js",
    "grammar/editors/vscode/package-lock.json",
    "grammar/editors/vscode/ffe-0.1.0.vsix",
    "specs/runs/digits/spec.ffe",
    "specs/small/runs/digits/spec.ffe",
    "grammar/messages/notes.txt",
)
"""What use of the repository leaves in it: an extension that was built, runs."""


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns(
        "__pycache__", "node_modules", "package-lock.json", "*.vsix", "runs"
    )
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
