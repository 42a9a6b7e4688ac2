"""Files that are truncated, flipped, overwritten or mixed up, and the results of reading them."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.faults.harness import NEW, Workers

KINDS = ("cut", "flip", "zeros", "noise", "swap", "longer", "empty")


def damaged(content: bytes, kind: str, generator: np.random.Generator) -> bytes:
    """``content`` with one random damage of a kind; never equal to it."""
    changed = bytearray(content)
    size = len(content)
    place = int(generator.integers(size))
    span = slice(place, min(size, place + int(generator.integers(1, 4096))))
    match kind:
        case "cut":
            del changed[place:]
        case "flip":
            for at in generator.integers(size, size=int(generator.integers(1, 9))):
                changed[at] ^= 1 << int(generator.integers(8))
        case "zeros":
            changed[span] = bytes(span.stop - span.start)
        case "noise":
            changed[span] = generator.bytes(span.stop - span.start)
        case "swap":
            half = size // 2
            changed[:] = content[half:] + content[:half]
        case "longer":
            changed += generator.bytes(int(generator.integers(1, 5000)))
        case "empty":
            changed.clear()
    return bytes(changed) if changed != content else damaged(content, kind, generator)


@dataclass
class Tally:
    """How reading ended, by the kind of file and of ending; and every ending that is a fault."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def damage_files(
    workers: Workers,
    count: int,
    generator: np.random.Generator,
    progress: Callable[[str], None] = lambda text: None,
) -> Tally:
    """Damage the files of a finished run so many times, and read each in a process of its own.

    In turn: a checkpoint, a record.
    """
    ended = workers.command(*NEW[:-1], "run-good")
    if ended.code:
        raise RuntimeError(ended.said)
    tally = Tally()
    for number in range(count):
        target = ("checkpoint", "record")[number % 2]
        kind = KINDS[number // 2 % len(KINDS)]
        path, digest = _copy(workers.folder, target)
        path.write_bytes(damaged(path.read_bytes(), kind, generator))
        result = workers.read_damaged(path, digest)
        tally.outcomes[f"{target} {result['outcome']}"] += 1
        if result["outcome"] != "refused" or not result["message"]:
            tally.faults.append(f"{target}, {kind}: {result}")
        if number % 50 == 49:
            progress(f"{number + 1} of {count} files damaged, {len(tally.faults)} faults")
    return tally


def _copy(folder: Path, target: str) -> tuple[Path, str]:
    """A fresh copy of the file that is to be read, and the digest of what is in it."""
    from ffebm_dsl.running.records import read
    from ffebm_dsl.running.training import checkpoint as checkpoints
    from tests.faults.state import checkpoint_digest, record_digest

    place = folder / "run-damaged"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    good = folder / "run-good"
    if target == "record":
        shutil.copy(good / "run.h5", place)
        return place / "run.h5", record_digest(read(good / "run.h5"))
    newest = checkpoints.path_of(good / "ckpt", checkpoints.steps(good / "ckpt")[0])
    shutil.copy(newest, place)
    return place / newest.name, checkpoint_digest(checkpoints.load(newest))
