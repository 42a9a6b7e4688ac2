"""Completion in the shell, by the protocol of its scripts, and in bash itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ffebm_dsl.cli.commands import COMMANDS
from ffebm_dsl.cli.specs import bundled
from ffebm_dsl.language.diagnostics.diagnostic import CODES
from ffebm_dsl.language.registry import OPS
from ffebm_dsl.running.datasets.places import CATALOGUE


def answer(folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ffebm_dsl"],
        env={**os.environ, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def in_bash(folder: Path, line: str) -> list[str]:
    """What the last word of ``line`` may become, as bash's script asks it."""
    words = line.split(" ")
    text = answer(
        folder,
        _FFEBM_COMPLETE="complete_bash",
        COMP_WORDS="\n".join(words),
        COMP_CWORD=str(len(words) - 1),
    )
    return text.split()


def in_zsh(folder: Path, line: str) -> str:
    """The command that zsh then runs."""
    return answer(folder, _FFEBM_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=line).strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("net.ffe", "new.ffe", "notes.txt", "nets/deep.ffe", "none/a.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("ffe 1.0\n")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ffebm ", [*COMMANDS]),
        ("ffebm s", ["sweep", "show", "specs", "schema"]),
        ("ffebm check --sta", ["--static"]),
        ("ffebm convert a.ffe --to ", ["ffe", "yaml", "json"]),
        ("ffebm specs show ", [*bundled()]),
        ("ffebm specs copy small/di", ["small/digits"]),
        ("ffebm specs copy digits_", ["digits_device"]),
        ("ffebm data fetch ", [*CATALOGUE]),
        ("ffebm data verify mn", ["mnist"]),
        ("ffebm explain FFE200", [code for code in CODES if code.startswith("FFE200")]),
        ("ffebm explain conv", [name for name in OPS if name.startswith("conv")]),
        ("ffebm explain zzz", []),
    ],
)
def test_words(tmp_path: Path, line: str, words: list[str]) -> None:
    assert in_bash(tmp_path, line) == words


@pytest.mark.parametrize("command", ["check", "show", "train", "bench", "fmt", "migrate", "diff"])
def test_specs_where_a_command_takes_one(folder: Path, command: str) -> None:
    assert in_bash(folder, f"ffebm {command} ne") == ["net.ffe", "new.ffe", "nets/"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ffebm convert ", ["net.ffe", "new.ffe", "nets/", "none/"]),
        ("ffebm diff net.ffe new", ["new.ffe"]),
        ("ffebm check --samples 3 net.ffe nets/d", ["nets/deep.ffe"]),
        # The shell itself completes these: folders alone, other files, names to be quoted.
        ("ffebm show nets", []),
        ("ffebm show none/", []),
        ("ffebm show not", []),
        ("ffebm show ~/ne", []),
        ("ffebm show nowhere/ne", []),
    ],
)
def test_files(folder: Path, line: str, words: list[str]) -> None:
    assert in_bash(folder, line) == words


def test_a_name_that_needs_quotes_is_left_to_the_shell(folder: Path) -> None:
    (folder / "new $(touch here).ffe").write_text("")
    assert in_bash(folder, "ffebm show new") == []
    assert in_zsh(folder, "ffebm show new") == "_files"
    assert in_bash(folder, "ffebm show net.") == ["net.ffe"]


def test_zsh(folder: Path) -> None:
    assert in_zsh(folder, "ffebm specs copy small/di") == "_arguments '*: :((\"small/digits\"))'"
    assert in_zsh(folder, "ffebm expl") == (
        '_arguments \'*: :(("explain":"Explain a diagnostic code or a construct."))\''
    )
    assert in_zsh(folder, "ffebm show nets/") == "_arguments '*: :((\"nets/deep.ffe\"))'"
    assert in_zsh(folder, "ffebm eval ") == "_files"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_script_that_bash_sources_completes(folder: Path) -> None:
    commands = f"""
    eval "$(_FFEBM_COMPLETE=source_bash {sys.executable} -m ffebm_dsl)"
    complete -p ffebm
    COMP_WORDS=(ffebm specs copy digits_) COMP_CWORD=3
    _ffebm_completion {folder}/ffebm
    echo "${{COMPREPLY[@]}}"
    """
    # The script calls the command by its first word, which is a path here.
    (folder / "ffebm").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ffebm_dsl "$@"\n')
    (folder / "ffebm").chmod(0o755)
    done = subprocess.run(["bash", "-c", commands], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "complete -o default -F _ffebm_completion ffebm",
        "digits_device",
    ]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_start_up_file_that_cannot_be_written_is_no_bug(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").mkdir()
    line = f'"{sys.executable}" -m ffebm_dsl --install-completion; exit $?'
    done = subprocess.run(
        ["bash", "-c", line],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: cannot install completion: {tmp_path}/.bashrc: ")
    assert "ffebm --show-completion" in done.stderr
