"""In every command, a path that is not writable is wrong input, and a full disk is not."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from ffebm_dsl.cli.main import main

SPEC = str(Path(__file__).parents[2] / "specs" / "small" / "smallest.ffe")

WRITERS = [
    ["convert", SPEC, "FOLDER/a.json"],
    ["show", SPEC, "--graph", "FOLDER/a.svg"],
    ["new", "FOLDER/a.ffe"],
    ["specs", "copy", "digits", "FOLDER/a.ffe"],
    ["fmt", "FOLDER/loose.ffe"],
    ["migrate", "FOLDER/loose.ffe"],
    ["train", SPEC, "--out", "FOLDER/run", "--max-steps", "1", "--quiet"],
    ["check", SPEC, "--transients", "--sweeps", "1", "--out", "FOLDER/t.h5"],
    ["data", "fetch", "mnist", "--data-dir", "FOLDER/data"],
]


def ids(arguments: list[str]) -> str:
    return " ".join(arguments[:2] if arguments[0] in ("specs", "data") else arguments[:1])


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EACCES, 2), (errno.EROFS, 2), (errno.ENOSPC, 74), (errno.EDQUOT, 74)],
    ids=errno.errorcode.get,
)
@pytest.mark.parametrize("arguments", WRITERS, ids=ids)
def test_one_code_in_every_command(
    arguments: list[str],
    number: int,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The system refuses whatever would be made or written in the folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "loose.ffe").write_text(Path(SPEC).read_text().replace("  ", "   "))
    refuse_below(folder, number, monkeypatch)
    assert main([word.replace("FOLDER", str(folder)) for word in arguments]) == code
    said = capfd.readouterr().err
    assert "cannot write" in said and os.strerror(number) in said
    assert [path.name for path in folder.iterdir()] == ["loose.ffe"]


def refuse_below(folder: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the calls that create or open for writing fail there, as the system would."""

    def guarded(call: Any, writes: Any) -> Any:
        def run(path: Any, *arguments: Any, **named: Any) -> Any:
            below = isinstance(path, str | os.PathLike) and Path(path).is_relative_to(folder)
            if below and writes(arguments):
                raise OSError(number, os.strerror(number), str(path))
            return call(path, *arguments, **named)

        return run

    monkeypatch.setattr(os, "mkdir", guarded(os.mkdir, lambda arguments: True))
    opens = os.O_WRONLY | os.O_RDWR
    monkeypatch.setattr(
        os, "open", guarded(os.open, lambda arguments: bool(arguments and arguments[0] & opens))
    )
