"""Several processes started in the way of a launcher such as torchrun."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PATIENCE = 300
"""Seconds until a process is taken to wait for ever."""


class Ranks:
    """One ``ffebm`` for each of ``lines``, in processes that know of one another.

    ``program``: what the interpreter runs instead of ``ffebm``.
    """

    def __init__(
        self,
        folder: Path,
        lines: Sequence[Sequence[str]],
        program: Sequence[str] = ("-m", "ffebm_dsl"),
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        common = {
            "WORLD_SIZE": str(len(lines)),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        self.processes = [
            subprocess.Popen(
                [sys.executable, *program, *arguments],
                cwd=folder,
                env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank, arguments in enumerate(lines)
        ]

    def ended(self) -> list[tuple[int, str, str]]:
        """Exit code, stdout and stderr of each. None outlives a failure."""
        try:
            told = [process.communicate(timeout=PATIENCE) for process in self.processes]
        except subprocess.TimeoutExpired:
            for process in self.processes:
                process.kill()
                process.communicate()
            raise
        codes = [process.returncode for process in self.processes]
        return [(code, out, err) for code, (out, err) in zip(codes, told, strict=True)]
