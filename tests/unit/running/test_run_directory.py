"""Run directories are created exclusively, and every refusal has a remedy."""

from __future__ import annotations

import errno
import os
from datetime import datetime, tzinfo
from pathlib import Path

import pytest

from ffebm_dsl.language.diagnostics import InputError, StorageError
from ffebm_dsl.running.run_directory import create, discard, open_run, reveal


def test_an_empty_folder_is_used_and_given_back(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    directory, _ = create(out, "spec", "text")
    assert directory.spec.read_text() == "text" and directory.checkpoints.is_dir()
    assert reveal(directory) == directory
    discard(directory)
    assert list(tmp_path.iterdir()) == [out] and not list(out.iterdir())


def test_a_folder_that_was_made_goes_again(tmp_path: Path) -> None:
    discard(create(tmp_path / "run", "spec", "text")[0])
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
    with pytest.raises(kind, match="cannot write") as caught:
        create(tmp_path / "run", "spec", "text")
    assert type(caught.value) is kind


def test_a_run_appears_when_it_is_revealed(tmp_path: Path) -> None:
    directory, lock = create(tmp_path / "run", "spec", "text")
    assert directory.path == tmp_path / ".run.partial" and directory.name == "run"
    assert not (tmp_path / "run").exists()
    revealed = reveal(directory)
    lock.release()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert revealed.spec.read_text() == "text"


def test_what_a_killed_process_prepared_is_removed(tmp_path: Path) -> None:
    _, lock = create(tmp_path / "run", "spec", "old")
    with pytest.raises(InputError, match="is in use by process"):
        create(tmp_path / "run", "spec", "new")
    lock.release()
    assert create(tmp_path / "run", "spec", "new")[0].spec.read_text() == "new"


def test_a_folder_of_another_kind_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / ".run.partial").mkdir()
    (tmp_path / ".run.partial" / "mine").touch()
    with pytest.raises(InputError, match=r"\.run\.partial is in the way"):
        create(tmp_path / "run", "spec", "text")
    assert (tmp_path / ".run.partial" / "mine").exists()


def test_what_appeared_meanwhile_stays(tmp_path: Path) -> None:
    directory, _ = create(tmp_path / "run", "spec", "text")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").touch()
    with pytest.raises(InputError, match="exists and is not an empty folder"):
        reveal(directory)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine"]


def test_a_default_name_in_use_is_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a jump of the clock back to a second that had a run already."""
    monkeypatch.chdir(tmp_path)
    draws = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr("secrets.token_hex", lambda size: next(draws))
    monkeypatch.setattr("ffebm_dsl.running.run_directory.datetime", StoppedClock)
    for expected in ("aaaa", "bbbb"):
        directory, _ = create(None, "spec", "text")
        assert reveal(directory).path == Path(f"runs/spec-19700101T000000Z-{expected}")


class StoppedClock(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> StoppedClock:
        return cls(1970, 1, 1, tzinfo=tz)


@pytest.mark.parametrize("name", ["spec.ffe", "run.h5", "ckpt"])
def test_links_inside_a_run_are_refused(tmp_path: Path, name: str) -> None:
    directory, lock = create(tmp_path / "run", "spec", "text")
    directory.record.touch()
    run = reveal(directory).path
    lock.release()
    open_run(run)
    (run / name).rename(tmp_path / "elsewhere")
    (run / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"its {name} is a link to another place"):
        open_run(run)
    (run / name).unlink()
    os.mkfifo(run / name)
    with pytest.raises(InputError, match=f"its {name} is of another kind"):
        open_run(run)


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a run directory: it has no spec\.ffe"):
        open_run(tmp_path / "absent")
