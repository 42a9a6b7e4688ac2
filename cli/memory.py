"""The error of a command whose tensors do not fit into memory."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ffebm_dsl.cli.commands import COMMANDS, load
from ffebm_dsl.language.diagnostics import InputError

_FEWER = {"--samples": "--samples", "--batch": "--batch", "--max-steps": "--set data.batch=..."}
"""An option that a command has, and how it is told to take fewer samples at a time."""

_ASKED = re.compile(r"[Tt]ried to allocate ([0-9.]+) (\w+)")


def lack_of_memory(error: Exception, arguments: Sequence[str]) -> InputError | None:
    """What to tell of an ``error`` that is a lack of memory; None of any other one.

    The remedies are those that the command of these ``arguments`` has.
    """
    # By name, as importing torch takes seconds; on the CPU it raises a RuntimeError.
    kind, told = type(error).__name__, str(error)
    if kind not in ("MemoryError", "OutOfMemoryError") and "can't allocate memory" not in told:
        return None
    command = next((word for word in arguments if word in COMMANDS), "")
    options = {option for p in load(command).params for option in p.opts} if command else set()
    fewer = next((how for option, how in _FEWER.items() if option in options), "")
    narrower = "a narrower network (`ffebm show` prints what each block takes)"
    return InputError(
        f"the network and a batch of samples do not fit into memory{_asked(told)}",
        help=f"take fewer samples at a time ({fewer}), or {narrower}"
        if fewer
        else f"use {narrower}",
    )


def _asked(told: str) -> str:
    """The size in PyTorch's message, as ``: a tensor of 4 GiB did not``; ``""`` without one."""
    found = _ASKED.search(told)
    if found is None:
        return ""
    size, unit = float(found[1]), found[2]
    if unit == "bytes":
        size, unit = size / 2**30, "GiB"
    return f": a tensor of {size:.3g} {unit} did not"
