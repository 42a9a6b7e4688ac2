"""The editors of docs/editors.md, set up as described, show the compiler's diagnostics."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "editors.md").read_text(encoding="utf-8")
FAULTY = (
    (ROOT / "specs" / "small" / "digits.ffe").read_text().replace("|> linear()", "|> linnear()")
)
PATIENCE = 120
"""Seconds after which an editor is taken to hang."""

ASK_NEOVIM = (
    "lua vim.wait(60000, function() return #vim.diagnostic.get(0) > 0 end, 50); "
    "for _, d in ipairs(vim.diagnostic.get(0)) do print(d.message) end"
)

ASK_EMACS = """
(package-initialize)
(unless (require 'eglot nil t) (kill-emacs 77))
(load-file "setup.el")
(find-file "faulty.ffe")
(setq eglot-sync-connect 60)
(call-interactively 'eglot)
(with-timeout (60) (while (not (flymake-diagnostics)) (accept-process-output nil 0.05)))
(dolist (d (flymake-diagnostics)) (message "%s" (flymake-diagnostic-text d)))
(comment-region (point-min) (line-end-position))
(message "%s" (buffer-substring (point-min) (line-end-position)))
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def answer(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """What an editor prints that finds this installation's ``ffebm`` first."""
    (folder / "faulty.ffe").write_text(FAULTY, encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        timeout=PATIENCE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("block", "oldest"), [(0, (0, 11)), (1, (0, 8))])
def test_neovim(block: int, oldest: tuple[int, int], tmp_path: Path) -> None:
    program = shutil.which("nvim")
    if program is None:
        pytest.skip("nvim is not installed")
    first = answer(tmp_path, program, "--version").stdout.split()[1]
    if tuple(map(int, first.lstrip("v").split(".")[:2])) < oldest:
        pytest.skip(f"nvim {first} is older than the page asks for")
    (tmp_path / "init.lua").write_text(blocks("lua")[block])
    ask = ["--headless", "-u", "init.lua", "faulty.ffe", "-c", ASK_NEOVIM, "-c", "qa!"]
    assert "no op is called `linnear`" in answer(tmp_path, program, *ask).stdout


@pytest.mark.slow
def test_emacs(tmp_path: Path) -> None:
    program = shutil.which("emacs")
    if program is None:
        pytest.skip("emacs is not installed")
    (tmp_path / "setup.el").write_text(blocks("elisp")[0])
    (tmp_path / "ask.el").write_text(ASK_EMACS)
    done = answer(tmp_path, program, "-q", "--batch", "-l", "ask.el")
    if done.returncode == 77:
        pytest.skip("this emacs has no Eglot")
    assert "no op is called `linnear`" in done.stdout
    assert "# ffe 1.0" in done.stdout


@pytest.mark.slow
def test_helix(tmp_path: Path) -> None:
    program, screen = shutil.which("hx"), shutil.which("tmux")
    if program is None or screen is None:
        pytest.skip("hx or tmux, whose screen shows what it draws, is not installed")
    (tmp_path / "helix").mkdir()
    (tmp_path / "helix" / "languages.toml").write_text(blocks("toml")[0])
    before = FAULTY[: FAULTY.index("linnear")].split("\n")
    place = f"faulty.ffe:{len(before)}:{len(before[-1]) + 1}"
    tmux = ["env", f"XDG_CONFIG_HOME={tmp_path}", screen, "-L", tmp_path.name]
    begun = answer(tmp_path, *tmux, "new", "-d", "-x", "120", f"{program} {place}")
    assert begun.returncode == 0, begun.stdout
    try:
        end, shown = time.monotonic() + PATIENCE, ""
        while "no op is called `linnear`" not in shown and time.monotonic() < end:
            time.sleep(0.2)
            shown = " ".join(answer(tmp_path, *tmux, "capture-pane", "-p").stdout.split())
        assert "no op is called `linnear`" in shown
    finally:
        answer(tmp_path, *tmux, "kill-server")


LOADED = """
const Module = require("node:module");
const anything = () => new Proxy(class {}, {
  get: (target, key) => (key in target ? target[key] : key === "then" ? undefined : anything()),
});
const load = Module._load;
Module._load = (name, ...rest) => (name === "vscode" ? anything() : load(name, ...rest));
const { activate, deactivate } = require("./extension/dist/extension.js");
console.log(typeof activate, typeof deactivate);
"""
"""Loads the client in node, whose module ``vscode`` is anything that is asked of it."""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_the_vsix_has_all_that_it_needs(tmp_path: Path) -> None:
    subprocess.run(["make", "vsix"], cwd=ROOT, check=True)
    (archive,) = (ROOT / "dist").glob("ffe-*.vsix")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path)
    names = {
        p.relative_to(tmp_path / "extension").as_posix()
        for p in tmp_path.rglob("*")
        if p.is_file() and "extension" in p.relative_to(tmp_path).parts[:1]
    }
    assert names == {
        "LICENSE.txt",
        "dist/extension.js",
        "dist/licenses.txt",
        "icon.png",
        "language-configuration.json",
        "package.json",
        "readme.md",
        "syntaxes/ffe.tmLanguage.json",
    }
    (tmp_path / "load.js").write_text(LOADED)
    loaded = subprocess.run(
        ["node", "load.js"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "function function\n"
