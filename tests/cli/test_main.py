"""Exit codes and messages for all outcomes of a command."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import torch
import typer

from ffebm_dsl import __version__
from ffebm_dsl.cli import main as command
from ffebm_dsl.cli.console import printable
from ffebm_dsl.cli.memory import lack_of_memory
from ffebm_dsl.cli.spec import parse_settings
from ffebm_dsl.language.diagnostics import (
    Diagnostic,
    InputError,
    NegativeResult,
    SourceFile,
    Span,
    SpecError,
    Stopped,
    StorageError,
)

SPEC = Path(__file__).parents[2] / "specs" / "small" / "digits.ffe"


def fault() -> Diagnostic:
    source = SourceFile("a\x1b[2J.ffe", "moodel")
    return Diagnostic("FFE0001", "unexpected text", source, Span(0, 6))


@pytest.fixture
def ending_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    """Runs ``ffebm`` with one command, which raises the error given."""

    def run(error: BaseException) -> int:
        app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)

        @app.command()
        def fail() -> NoReturn:
            raise error

        monkeypatch.setattr(command, "app", app)
        return command.main([])

    return run


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("no such file", help="check the path"), 2, "error: no such file\n  = help: c"),
        (NegativeResult("gradients are wrong"), 1, "error: gradients are wrong"),
        (StorageError("disk full"), 74, "error: disk full"),
        (Stopped(signal.SIGINT, "saved at step 3"), 130, "stopped: saved at step 3"),
        (Stopped(signal.SIGTERM, "saved at step 3"), 143, "stopped: saved at step 3"),
        (OSError(errno.ENOSPC, "No space left on device", "run.h5"), 74, "No space left"),
        (OSError(errno.EDQUOT, "Quota exceeded"), 74, "cannot write standard output: Quota"),
        (ModuleNotFoundError("", name="resource"), 2, "this needs a POSIX system: Python has no"),
        (ModuleNotFoundError("", name="ffebm_dsl.x"), 3, "internal error: ModuleNotFoundError"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 2, "error: cannot use x: Permi"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x"), 2, "cannot use x: File name too"),
        (FileNotFoundError(errno.ENOENT, "No such file", "x"), 3, "internal error: FileNotFound"),
        (torch.OutOfMemoryError("CUDA out of memory."), 2, "error: the network and a batch of"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, ""),
    ],
)
def test_exit_codes(
    ending_with: Callable[[BaseException], int],
    capfd: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    message: str,
) -> None:
    assert ending_with(error) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(message) or message in err
    assert "Traceback" not in err


def test_a_batch_that_no_memory_holds(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wide = tmp_path / "wide.ffe"
    # 2^31 samples of it are more than there are addresses, whatever the memory.
    text = SPEC.with_name("smallest.ffe").read_text("utf-8")
    text = text.replace("image(1, 8, 8)", "image(3, 224, 224)")
    wide.write_text(text.partition("train {")[0], encoding="utf-8")
    assert command.main(["bench", str(wide), "--batch", str(2**31 - 1)]) == 2
    told = capfd.readouterr().err
    assert re.search(r"do not fit into memory: a tensor of [\d.e+]+ GiB did not\n", told)
    assert "help: take fewer samples at a time (--batch), or a narrower network" in told


CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.50 GiB. GPU 0 has ...")


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["train", "a.ffe"], "fewer samples at a time (--set data.batch=...), or a narrower"),
        (["check", "a.ffe", "--transients"], "fewer samples at a time (--samples), or a narrower"),
        (["eval", "run"], "fewer samples at a time (--batch), or a narrower"),
        (["predict", "run", "a.npy"], "fewer samples at a time (--batch), or a narrower"),
        (["verify", "a.ffe"], "use a narrower network"),
        ([], "use a narrower network"),
    ],
)
def test_remedies_for_a_lack_of_memory_are_options_of_the_command(
    arguments: list[str], remedy: str
) -> None:
    found = lack_of_memory(CUDA, arguments)
    assert found is not None
    assert found.message.endswith("do not fit into memory: a tensor of 20.5 GiB did not")
    assert remedy in found.help


def test_a_spec_error_prints_its_diagnostics_and_counts_them(
    ending_with: Callable[[BaseException], int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert ending_with(SpecError([fault(), fault()])) == 2
    err = capfd.readouterr().err
    assert err.count("error[FFE0001]: unexpected text") == 2
    assert err.endswith("\n2 errors; `ffebm explain FFE0001` says more\n")
    assert "\x1b" not in err


def test_a_bug_is_one_line_without_traceback(
    ending_with: Callable[[BaseException], int],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FFEBM_DEBUG", raising=False)
    assert ending_with(ValueError("shapes\ndiffer")) == 3
    err = capfd.readouterr().err
    assert err.startswith("internal error: ValueError: shapes differ; please report it")
    assert err.count("\n") == 1


def test_a_bug_shows_its_traceback_for_debugging(
    ending_with: Callable[[BaseException], int],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FFEBM_DEBUG", "1")
    assert ending_with(ValueError("shapes differ")) == 3
    assert "Traceback (most recent call last)" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["shwo"], "show"),
        (["show", "--jsn", "a.ffe"], "--json"),
        (["show"], "SPEC"),
        (["show", "a.ffe", "b.ffe"], "b.ffe"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_usage_errors(capfd: pytest.CaptureFixture[str], arguments: list[str], named: str) -> None:
    assert command.main(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert named.lower() in err.lower()
    assert "Traceback" not in err


def test_version_and_help(capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--version"]) == 0
    assert capfd.readouterr().out == f"ffebm {__version__}\n"
    assert command.main(["--help"]) == 0
    text = capfd.readouterr().out
    assert all(name in text for name in ("train", "check", "eval", "show"))


@pytest.mark.parametrize("group", [[], ["specs"], ["data"]], ids=str)
def test_what_a_command_does_fits_on_its_line(
    group: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert command.main([*group, "--help"]) == 0
    commands = capfd.readouterr().out.partition("Commands:")[2].splitlines()
    assert len(commands) > 2
    assert not [line for line in commands if line.endswith("...")]


def test_python_m_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ffebm_dsl", "shwo"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "'show'" in done.stderr


def test_ctrl_c_during_the_imports_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt", encoding="utf-8")
    project = tomllib.loads((SPEC.parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    module, _, function = project["project"]["scripts"]["ffebm"].partition(":")
    script = f"import sys; from {module} import {function}; sys.exit({function}())"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ["new", "{}"],
        ["specs", "copy", "smallest", "{}"],
        ["predict", "{}", "x.npy"],
        ["eval", "{}"],
        ["report", "{}"],
        ["compare", "{}"],
        ["data", "list", "--data-dir", "{}"],
        ["check", str(SPEC), "--data-dir", "{}"],
        ["train", str(SPEC), "--data-dir", "{}"],
    ],
)
def test_a_name_that_no_file_can_have(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert command.main([argument.format("x" * 300) for argument in arguments]) == 2
    assert ": File name too long\n  = help: name a place" in capfd.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_leaves_is_no_error() -> None:
    """``ffebm show ... | head -0``: quiet, whatever is still to be written."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ffebm_dsl", "show", str(SPEC)],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("settings", "parsed"),
    [
        (None, {}),
        (["width=64"], {"width": "64"}),
        (["optimizer.lr = 1e-3", "a=b=c"], {"optimizer.lr": "1e-3", "a": "b=c"}),
    ],
)
def test_settings(settings: list[str] | None, parsed: dict[str, str]) -> None:
    assert parse_settings(settings) == parsed


@pytest.mark.parametrize("settings", [["width"], ["=3"], ["width="], [""], ["a=1", "a=2"]])
def test_malformed_settings(settings: list[str]) -> None:
    with pytest.raises(InputError, match="--set"):
        parse_settings(settings)


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[31m\r\u202eb\n\tc\x9b") == "a\ufffd[31m\ufffd\ufffdb\n\tc\ufffd"
