"""Published files are complete or absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ffebm_dsl.language.diagnostics import InputError, StorageError
from ffebm_dsl.running.storage import publish, read_bounded, remove_leftovers


def test_content_is_replaced(tmp_path: Path) -> None:
    for content in (b"one", b"", b"three" * 1000):
        publish(tmp_path / "a", content)
        assert (tmp_path / "a").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_order_of_calls_is_the_durable_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name in ("write", "fsync", "replace"):
        call = getattr(os, name)

        def noted(*arguments: object, call: object = call, name: str = name) -> object:
            calls.append(name)
            return call(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(os, name, noted)
    publish(tmp_path / "a", b"content")
    assert calls == ["write", "fsync", "replace", "fsync"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, content: write(fd, bytes(content)[:3]))
    publish(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


@pytest.mark.parametrize("name", ["open", "write", "fsync", "replace"])
def test_a_failing_call_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    publish(tmp_path / "a", b"old")

    def fail(*arguments: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises(StorageError, match="No space left on device") as caught:
            publish(tmp_path / "a", b"new")
    assert caught.value.exit_code == 74
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_leftover_temporary_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (tmp_path / ".a.tmp").symlink_to(tmp_path / "elsewhere")
    publish(tmp_path / "a", b"new")
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"
    assert not (tmp_path / "a").is_symlink()


def test_leftovers_go_and_nothing_else(tmp_path: Path) -> None:
    for name in (".run.h5.tmp", "run.h5", ".lock", "notes.tmp"):
        (tmp_path / name).touch()
    (tmp_path / ".a.tmp").symlink_to(tmp_path / "run.h5")
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "notes.tmp", "run.h5"]


def test_a_leftover_that_cannot_be_removed_is_told(tmp_path: Path) -> None:
    (tmp_path / ".a.tmp").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        remove_leftovers(tmp_path)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert read_bounded(tmp_path / "file", 7) == b"content"
    with pytest.raises(InputError, match="has 7 bytes; at most 6"):
        read_bounded(tmp_path / "file", 6)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    for name, message in (
        ("link", "cannot be read"),
        ("pipe", "is not a regular file"),
        ("absent", "No such file"),
    ):
        with pytest.raises(InputError, match=message):
            read_bounded(tmp_path / name, 100)
    with pytest.raises(InputError, match="is not a regular file"):
        read_bounded(Path("/dev/zero"), 100)
    with pytest.raises(InputError, match="is not a regular file"):
        read_bounded(tmp_path, 100)


@pytest.mark.parametrize(
    ("number", "kind"), [(13, InputError), (30, InputError), (28, StorageError), (5, StorageError)]
)
def test_a_wrong_place_is_the_users_and_a_full_disk_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    """Permission denied and read-only file systems against no space left and broken disks."""

    def fail(*arguments: object, **named: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(kind, match=f"cannot write .*: {os.strerror(number)}"):
        publish(tmp_path / "a", b"new")


@pytest.mark.parametrize("folder", ["/", ".", ".."])
def test_a_folder_is_no_file_to_write(folder: str) -> None:
    with pytest.raises(InputError, match=r"cannot write .*: Is a directory"):
        publish(Path(folder), b"new")


def test_a_replaced_file_passes_its_permissions_on(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "a").chmod(0o662)
    publish(tmp_path / "a", b"new")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o662
