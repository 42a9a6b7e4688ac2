"""``ffebm fmt``: in place, as a check, as a diff, as a filter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.language.syntax import canonical_layout
from ffebm_dsl.running import storage

UGLY = "ffe 1.0\nparam  a:int=1 # é\U0001f642\n"
PRETTY = "ffe 1.0\nparam a: int = 1  # é\U0001f642\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "a.ffe"
    path.write_bytes(UGLY.encode())
    return path


def filtered(content: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "ffebm_dsl", "fmt", "-", *options]
    return subprocess.run(command, input=content, capture_output=True, check=False)


def test_in_place(spec: Path, capfd: pytest.CaptureFixture[str]) -> None:
    spec.chmod(0o640)
    assert main(["fmt", str(spec)]) == 0
    assert spec.read_text(encoding="utf-8") == PRETTY
    assert spec.stat().st_mode & 0o777 == 0o640
    assert capfd.readouterr() == ("", f"formatted {spec}\n")
    before = spec.stat()
    assert main(["fmt", str(spec)]) == 0
    assert capfd.readouterr() == ("", "")
    assert spec.stat().st_mtime_ns == before.st_mtime_ns
    assert [*spec.parent.iterdir()] == [spec]


def test_a_link_stays_one(spec: Path) -> None:
    link = spec.with_name("link.ffe")
    link.symlink_to(spec)
    assert main(["fmt", str(link)]) == 0
    assert link.is_symlink()
    assert spec.read_text(encoding="utf-8") == PRETTY


def test_check(spec: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pretty = spec.with_name("b.ffe")
    pretty.write_text(PRETTY, encoding="utf-8")
    assert main(["fmt", "--check", str(pretty)]) == 0
    assert main(["fmt", "--check", str(pretty), str(spec)]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err == f"error: not in canonical layout: {spec}\n  = help: run `ffebm fmt` on it\n"
    assert spec.read_text(encoding="utf-8") == UGLY


def test_diff(spec: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--diff", str(spec)]) == 0
    out, _ = capfd.readouterr()
    assert out == (
        f"--- {spec}\n+++ {spec} (formatted)\n@@ -1,2 +1,2 @@\n ffe 1.0\n"
        "-param  a:int=1 # é\U0001f642\n+param a: int = 1  # é\U0001f642\n"
    )
    assert spec.read_text(encoding="utf-8") == UGLY
    assert main(["fmt", "--diff", "--check", str(spec)]) == 1
    spec.write_text("ffe 1.0")
    capfd.readouterr()
    assert main(["fmt", "--diff", str(spec)]) == 0
    assert "-ffe 1.0\n\\ No newline at end of file\n+ffe 1.0\n" in capfd.readouterr().out


def test_a_filter_passes_every_byte_of_a_comment() -> None:
    done = filtered(b"\xef\xbb\xbf" + UGLY.replace("\n", "\r\n").encode())
    assert (done.returncode, done.stdout, done.stderr) == (0, PRETTY.encode(), b"")
    assert filtered(PRETTY.encode()).stdout == PRETTY.encode()
    assert filtered(UGLY.encode(), "--check").returncode == 1


def test_a_byte_order_mark_is_removed(spec: Path, capfd: pytest.CaptureFixture[str]) -> None:
    spec.write_bytes(b"\xef\xbb\xbf" + PRETTY.encode())
    assert main(["fmt", "--check", str(spec)]) == 1
    assert main(["fmt", "--diff", str(spec)]) == 0
    assert "-\ufeffffe 1.0\n+ffe 1.0\n" in capfd.readouterr().out
    assert main(["fmt", str(spec)]) == 0
    assert spec.read_bytes() == PRETTY.encode()


@pytest.mark.parametrize("command", ["fmt", "migrate"])
@pytest.mark.parametrize(("suffix", "form"), [("yml", "YAML"), ("json", "JSON")])
def test_other_forms_are_refused(
    spec: Path, command: str, suffix: str, form: str, capfd: pytest.CaptureFixture[str]
) -> None:
    other = spec.rename(spec.with_suffix(f".{suffix}"))
    assert main([command, str(other)]) == 2
    assert capfd.readouterr().err == (
        f"error: {other}: `ffebm {command}` takes .ffe text, not {form}\n"
        f"  = help: `ffebm convert {other} {spec}` writes it as text\n"
    )
    assert other.read_text(encoding="utf-8") == UGLY


@pytest.mark.parametrize("content", [b"\xff", b"\0", b"model {", b"#" * (1 << 20 | 1)])
def test_a_filter_refuses_what_is_no_spec(content: bytes) -> None:
    done = filtered(content)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"<stdin>" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_faulty_spec_keeps_no_other_from_being_formatted(
    spec: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    faulty = spec.with_name("faulty.ffe")
    faulty.write_text("model {")
    assert main(["fmt", str(faulty), "missing.ffe", str(spec)]) == 2
    err = capfd.readouterr().err
    assert "faulty.ffe:1:7" in err
    assert "missing.ffe does not exist" in err
    assert faulty.read_text() == "model {"
    assert spec.read_text(encoding="utf-8") == PRETTY


def test_a_fault_of_meaning_is_none_of_the_formatter(tmp_path: Path) -> None:
    path = tmp_path / "a.ffe"
    path.write_text("model m { loss = nonsense(u, v) }")
    assert main(["fmt", str(path)]) == 0
    assert path.read_text() == "ffe 1.1\nmodel m {\n  loss = nonsense(u, v)\n}\n"


def test_an_unfaithful_layout_writes_nothing(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    faithful = canonical_layout.layout
    monkeypatch.setattr(canonical_layout, "layout", lambda *args: faithful(*args).replace("1", "2"))
    assert main(["fmt", str(spec)]) == 3
    assert spec.read_text(encoding="utf-8") == UGLY
    assert "the file is as it was" in capfd.readouterr().err


def test_a_full_disk_leaves_the_old_text(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    assert main(["fmt", str(spec)]) == 74
    assert spec.read_text(encoding="utf-8") == UGLY
    assert [*spec.parent.iterdir()] == [spec]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(spec: Path, capfd: pytest.CaptureFixture[str]) -> None:
    spec.parent.chmod(0o500)
    assert main(["fmt", str(spec)]) == 2
    spec.parent.chmod(0o700)
    assert "Permission denied" in capfd.readouterr().err
