"""A command line that a launcher such as torchrun has given to several processes.

Only ``train`` divides its work among them. With any other command each process would do all the
work, print the result again and overwrite the files of the others, so it is refused. That error,
and errors in the command line, are printed once, unless the processes got different lines.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from typing import cast

import typer

from ffebm_dsl.language.diagnostics import InputError, PeerLost

TOGETHER = "train"
"""The command that runs in several processes."""

# Newer releases of typer carry a click of their own, older ones import it: this is either's.
UsageError = cast("type[Exception]", typer.BadParameter.__base__)


def refusal(command: str) -> InputError | None:
    """The error of a command that runs in several processes and must not; None otherwise."""
    if one_process() or command == TOGETHER:
        return None
    size = os.environ["WORLD_SIZE"]
    return InputError(
        f"`ffebm {command}` runs in one process, but WORLD_SIZE is {size}",
        help="start it without torchrun; where WORLD_SIZE is set for another reason: "
        f"env -u WORLD_SIZE ffebm {command} ...",
    )


def one_process() -> bool:
    """Whether this process works alone; where it does not, a launcher has set WORLD_SIZE."""
    return (os.environ.get("WORLD_SIZE") or "1") == "1"


@contextlib.contextmanager
def results_once() -> Iterator[None]:
    """Results, help and version are printed by process 0 alone."""
    aside = contextlib.redirect_stdout(io.StringIO())
    with aside if _rank() else contextlib.nullcontext():
        yield


def say_once(message: str, show: Callable[[], int]) -> int:
    """Show what is wrong with the command line; its exit code.

    Several processes meet over it: what all of them find, process 0 shows; what one finds
    alone, ``train`` in process 0 hears of and says whose it is. Where they cannot meet, each
    shows its own.
    """
    if _rank() is None:
        return show()
    from ffebm_dsl.running.training import joined

    status = InputError.exit_code
    shown = False
    with contextlib.suppress(InputError, PeerLost), joined() as world:
        with contextlib.suppress(InputError), world.all_or_none():
            raise InputError(message)
        shown = True
        if world.lead:
            status = show()
        # A launcher ends all when one has ended: the others stay until it is said.
        world.any(False)
    return status if shown else show()


def _rank() -> int | None:
    """Which of several processes a launcher has started this one as; None if it is alone.

    Every launcher says which process of its machine it is. Without that, RANK and
    WORLD_SIZE are left over in the environment of an interactive shell.
    """
    texts = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")]
    if not all(text.isdecimal() for text in texts):
        return None
    rank, size = int(texts[0]), int(texts[1])
    return rank if rank < size != 1 else None
