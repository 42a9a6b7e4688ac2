"""Run directories are made exclusively, and every refusal says what to do."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from ffebm_dsl.diagnostics import InputError, StorageError
from ffebm_dsl.training.run_directory import create, discard, open_run


def test_an_empty_folder_is_used_and_given_back(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    directory = create(out, "spec", "text")
    assert directory.spec.read_text() == "text" and directory.checkpoints.is_dir()
    discard(directory)
    assert list(tmp_path.iterdir()) == [out] and not list(out.iterdir())


def test_a_folder_that_was_made_goes_again(tmp_path: Path) -> None:
    discard(create(tmp_path / "run", "spec", "text"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["run", "run/file"])
def test_what_is_there_is_not_touched(tmp_path: Path, content: str) -> None:
    path = tmp_path / content
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(InputError, match="exists and is not an empty folder"):
        create(tmp_path / "run", "spec", "text")
    assert path.read_text() == "mine"


def test_the_parent_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder") as caught:
        create(tmp_path / "a" / "b", "spec", "text")
    assert f"mkdir -p {tmp_path / 'a'}" in caught.value.help


def test_the_parent_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(InputError, match="Not a directory"):
        create(tmp_path / "a" / "b", "spec", "text")


@pytest.mark.parametrize(
    ("code", "kind"),
    [(errno.EACCES, InputError), (errno.EROFS, InputError), (errno.ENOSPC, StorageError)],
)
def test_a_refusing_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception]
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise OSError(code, "refused")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(kind, match="cannot create") as caught:
        create(tmp_path / "run", "spec", "text")
    assert type(caught.value) is kind


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a run directory: it has no spec\.ffe"):
        open_run(tmp_path / "absent")
