"""Patches of a worker: writing that loses data, and jumps of the clock."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def in_place(path: Path, content: bytes) -> None:
    """Overwrites the only copy."""
    with storing_errors(path), path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def unsynced(path: Path, content: bytes) -> None:
    """Renames what the disk may not have yet."""
    temporary = path.with_name(f".{path.name}.tmp")
    with storing_errors(path):
        temporary.write_bytes(content)
        os.replace(temporary, path)  # noqa: PTH105


def storing_errors(path: Path) -> Any:
    from ffebm_dsl.running.storage import storing

    return storing(path)


def jumping_clock() -> None:
    """The time of day leaps, to and fro, whenever it is looked at."""
    from datetime import datetime, timedelta, tzinfo
    from itertools import cycle

    from ffebm_dsl.running import run_directory
    from ffebm_dsl.running.records import record_writer

    leaps = cycle([timedelta(days=-9000), timedelta(hours=1), timedelta(days=400)])

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + next(leaps)

    for module in (record_writer, run_directory):
        module.datetime = Jumping  # type: ignore[attr-defined]


def install(name: str) -> None:
    """Patch this process: with a writer that loses data, or with ``clock``."""
    if not name:
        return
    if name == "clock":
        jumping_clock()
        return
    from ffebm_dsl.running import run_directory
    from ffebm_dsl.running.records import record_writer
    from ffebm_dsl.running.training import checkpoint, session

    if name == "late_record":
        session.Session.save = late_record  # type: ignore[method-assign]
        return
    publish = {"in_place": in_place, "unsynced": unsynced}[name]
    for module in (record_writer, checkpoint, run_directory):
        module.publish = publish  # type: ignore[attr-defined]


def late_record(session: Any) -> None:
    """The right writer in the wrong order: the checkpoint before its record."""
    from dataclasses import replace

    from ffebm_dsl.running.training import checkpoint as checkpoints

    session.position = replace(session.position, seconds=session.seconds())
    keep = session.job.settings.keep
    checkpoints.save(session.directory.checkpoints, session._checkpoint(), keep)
    session.publish_record()
