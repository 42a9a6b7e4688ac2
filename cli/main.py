"""The ``ffebm`` command: its subcommands, and how each way of ending becomes an exit code.

==== ====================================================================
0    done
1    the answer is no: a check failed, training diverged; or the reader of the
     results has gone (a closed pipe)
2    the user's input is wrong: spec, options, data, a place that is not there
     or may not be used, a system that lacks what the command needs
3    a bug in ffebm, or in a package that the spec uses
74   the disk is full or fails, or standard output does
75   another process of the run is gone
130  stopped by Ctrl-C; 143 by SIGTERM
==== ====================================================================

They are the same in every command. A standard stream that is closed is as one that leads to
the null device; only reading from standard input that is closed is wrong input.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ffebm_dsl import __version__
from ffebm_dsl.cli.commands import Commands
from ffebm_dsl.cli.console import drop_results, emit, emit_json, flush_results, open_streams, say
from ffebm_dsl.cli.memory import lack_of_memory
from ffebm_dsl.cli.processes import UsageError, refusal, results_once, say_once
from ffebm_dsl.language.diagnostics import (
    Diagnostic,
    FfebmError,
    InputError,
    Piece,
    Role,
    Severity,
    SpecError,
    Stopped,
    StorageError,
    cannot_write,
    pieces,
    to_record,
)
from ffebm_dsl.language.diagnostics.errors import WRONG_PLACE

STORAGE_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG})
REFUSALS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENAMETOOLONG})
"""What the system answers about a place that may not be used, whatever is done there."""

EXIT_INTERNAL, EXIT_INTERRUPTED = 3, 130

OF_THE_SYSTEM = frozenset({"fcntl", "resource"})
"""Modules of Python's that are missing where the system is not POSIX."""

# Plain help text: rich would cost the start of every command 0.1 s.
app = typer.Typer(
    cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)


def _print_version(wanted: bool) -> None:
    if wanted:
        emit(f"ffebm {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Compile, check and train feedforward-tied energy-based models."""
    refused = refusal(context.invoked_subcommand or "")
    if refused is not None:
        raise typer.Exit(say_once(refused.message, lambda: report(refused)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``ffebm`` with these arguments (the process's own by default).

    Returns the exit code; prints what went wrong to stderr and raises nothing.
    """
    open_streams()
    try:
        status = _run(arguments)
        flush_results()
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except FfebmError as error:
        return report(error, _wants_json(arguments))
    except Exception as error:
        return _report_unexpected(error, sys.argv[1:] if arguments is None else arguments)
    finally:
        drop_results()
    return status


def _given(option: str, arguments: Sequence[str] | None) -> bool:
    return option in (sys.argv[1:] if arguments is None else arguments)


def _wants_json(arguments: Sequence[str] | None) -> bool:
    """Whether the result is to be JSON; an error then is too."""
    return _given("--json", arguments)


def _not_installed(error: OSError) -> InputError:
    """Typer could not write the shell's start-up file, or the script that it names."""
    return InputError(
        f"cannot install completion: {error.filename}: {error.strerror}",
        help="`ffebm --show-completion` prints the script, and docs/tools.md says where it goes",
    )


def _report_unexpected(error: Exception, arguments: Sequence[str]) -> int:
    """Say what nothing else has caught: a full disk, a place or system without use, or a bug."""
    as_json = _wants_json(arguments)
    if isinstance(error, OSError) and error.errno in STORAGE_FAULTS:
        return report(cannot_write(error.filename or "standard output", error), as_json)
    if isinstance(error, OSError) and error.errno in REFUSALS and error.filename is not None:
        refused = f"cannot use {error.filename}: {error.strerror}"
        return report(InputError(refused, help="name a place that you may use"), as_json)
    if isinstance(error, ModuleNotFoundError) and error.name in OF_THE_SYSTEM:
        missing = f"this needs a POSIX system: Python has no module `{error.name}` here"
        return report(InputError(missing, help="use Linux, macOS or WSL"), as_json)
    too_large = lack_of_memory(error, arguments)
    if too_large is not None:
        return report(too_large, as_json)
    return _report_bug(error, as_json)


def _emit_error(
    message: str, code: int, help: str = "", diagnostics: Sequence[Diagnostic] = ()
) -> None:
    """The one JSON object of a command that failed; where that cannot be written, nothing."""
    with contextlib.suppress(OSError, StorageError):
        emit_json(
            {
                "ok": False,
                "error": message,
                "help": help,
                "exit_code": code,
                "diagnostics": [to_record(diagnostic) for diagnostic in diagnostics],
            }
        )


def _run(arguments: Sequence[str] | None) -> int:
    try:
        with results_once():
            status = app(args=arguments, prog_name="ffebm", standalone_mode=False)
    except UsageError as error:
        return _report_usage(error, _wants_json(arguments))
    except OSError as error:
        if error.errno in WRONG_PLACE and _given("--install-completion", arguments):
            raise _not_installed(error) from error
        raise
    except SystemExit as end:  # Typer's answer to a reader who has gone.
        return end.code if isinstance(end.code, int) else 0
    return status if isinstance(status, int) else 0


def _report_usage(error: Any, as_json: bool) -> int:
    """Say what click finds wrong with the command line; the exit code that it gives."""

    def show() -> int:
        with contextlib.suppress(OSError):  # as in `say`
            error.show()
        if as_json:
            _emit_error(error.format_message(), error.exit_code)
        return int(error.exit_code)

    return say_once(error.format_message(), show)


def report(error: FfebmError, as_json: bool = False) -> int:
    """Say what went wrong, on stderr, and as JSON on stdout; the exit code that it leads to."""
    code = error.status if isinstance(error, Stopped) else error.exit_code
    if isinstance(error, SpecError):
        from ffebm_dsl.language.diagnostics.diagnostic import pointer

        more = pointer([diagnostic.code for diagnostic in error.diagnostics])
        found = [piece for d in error.diagnostics for piece in (*pieces(d), Piece("\n\n"))]
        say(*found, f"{tally(error.diagnostics)}; {more}")
    else:
        say(*_in_pieces(error))
    if as_json and not error.printed:
        message = tally(error.diagnostics) if isinstance(error, SpecError) else error.message
        diagnostics = error.diagnostics if isinstance(error, SpecError) else ()
        _emit_error(message, code, error.help, diagnostics)
    return code


def _in_pieces(error: FfebmError) -> list[Piece]:
    """The message of an error with its heading and help."""
    stopped = isinstance(error, Stopped)
    head = Piece("stopped", Role.WARNING) if stopped else Piece("error", Role.ERROR)
    said = [head, Piece(f": {error.message}")]
    if error.help:
        said += [Piece("\n  = ", Role.FRAME), Piece("help:", Role.HINT), Piece(f" {error.help}")]
    return said


def tally(diagnostics: Sequence[Diagnostic]) -> str:
    """``2 errors, 1 warning``."""
    counts = [
        (sum(d.severity is severity for d in diagnostics), str(severity)) for severity in Severity
    ]
    return ", ".join(f"{n} {word}{'s' if n > 1 else ''}" for n, word in counts if n)


def _report_bug(error: Exception, as_json: bool) -> int:
    if os.environ.get("FFEBM_DEBUG") == "1":
        traceback.print_exception(error)
    from ffebm_dsl.language.registry.packages import origin

    package = origin(error)
    where, whom = (f" in the package `{package}`", " to its authors") if package else ("", "")
    what = f"{where}: {' '.join(f'{type(error).__name__}: {error}'.split())}"
    say(
        Piece("internal error", Role.ERROR),
        f"{what}; please report it{whom}, with what FFEBM_DEBUG=1 prints",
    )
    if as_json:
        _emit_error(f"internal error{what}", EXIT_INTERNAL)
    return EXIT_INTERNAL
