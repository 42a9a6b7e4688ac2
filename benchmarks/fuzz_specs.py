"""A long run of the front end on unusual files, each of which must be answered.

    python -m benchmarks.fuzz_specs --inputs 100000 --seed 1

The files of ``fuzz_inputs`` are random bytes and words, and real specs with words exchanged,
removed and repeated, as saved by other systems, with deep brackets and extreme numbers, as YAML and
JSON, of the maximum size and far larger. Each is compiled, with or without overrides, formatted,
and queried like an editor does. The result must be a network or diagnostics that can be shown,
within two seconds of CPU time and 500 MB; the first file that fails is printed with the seed that
reproduces it.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.fuzz_inputs import JUNK, KINDS, Case
from ffebm_dsl.language.diagnostics import InputError, SourceFile, SpecError, render, to_record
from ffebm_dsl.language.interchange.document import read_json, read_yaml
from ffebm_dsl.language.interchange.load import compile_document, to_plain
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.syntax import format_source, read_source
from ffebm_dsl.language.syntax.reading import MAX_BYTES, decode_source
from ffebm_dsl.tools.editor.analysis import analyse, declaration_at
from ffebm_dsl.tools.editor.answers import OpenDocument, symbols
from ffebm_dsl.tools.editor.complete import complete
from ffebm_dsl.tools.editor.hover import hover

SECONDS, MEGABYTES = 2.0, 500
HUNG = 20.0
"""Seconds of CPU time after which an input is interrupted."""


def overrides(rng: random.Random) -> dict[str, str]:
    if rng.random() < 0.7:
        return {}
    keys = ["width", "epochs", "optimizer.lr", "gradient.beta", "seed", "", ".", "x" * 99]
    return {rng.choice(keys): rng.choice([*JUNK, "64", "adam(lr=1e-3)", "[1, 2", "1 2"])}


class Ended(NamedTuple):
    """The result of an input, and the CPU seconds of its slowest answer."""

    how: str
    seconds: float


def try_one(seed: int, make: Callable[[random.Random], Case] | None = None) -> Ended:
    """Ask the front end everything about the file of ``seed``. Raises whatever that raises."""
    rng = random.Random(seed)
    kind = make or rng.choices([*KINDS], weights=[*KINDS.values()])[0]
    case = kind(rng)
    slowest, how = 0.0, ""
    for question in _questions(case, rng):
        start = time.process_time()
        how = _answer(question)
        slowest = max(slowest, time.process_time() - start)
    return Ended(f"{kind.__name__}: {how}", slowest)


def _questions(case: Case, rng: random.Random) -> list[Callable[[], Any]]:
    """The uses of a file by the commands and the language server; the last one compiles it."""
    if not case.name.endswith(".ffe"):
        read = read_yaml if case.name.endswith(".yaml") else read_json
        return [lambda: compile_document(read(_source(case)), overrides(rng))]
    return [
        lambda: _ask(_source(case), rng),
        lambda: format_source(_source(case)),
        lambda: to_plain(compile_spec(_source(case), overrides(rng)).spec),
    ]


def _source(case: Case) -> SourceFile:
    """The source of a case; if too large for a spec, it is read from a file as by a command."""
    if len(case.content) <= MAX_BYTES:
        return decode_source(case.content, case.name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / case.name
        path.write_bytes(case.content)
        return read_source(path)


def _answer(question: Callable[[], Any]) -> str:
    """The result of a question; faults that were found are rendered."""
    try:
        question()
    except SpecError as fault:
        for diagnostic in fault.diagnostics:
            render(diagnostic)
            json.dumps(to_record(diagnostic))
        return "refused"
    except InputError:
        return "not read"
    return "a network"


def _ask(source: SourceFile, rng: random.Random) -> None:
    """The requests of an editor, at some place."""
    analysis = analyse(source)
    offset = rng.randint(0, len(source.text))
    complete(analysis, offset)
    hover(analysis, offset)
    declaration_at(analysis, offset)
    if analysis.program is not None:
        list(symbols(analysis.program.items, OpenDocument("file:///a.ffe", analysis, "utf-16")))


def _peak_megabytes() -> float:
    """The peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _hung(*_: object) -> None:
    raise TimeoutError(f"no answer after {HUNG:.0f} seconds of the processor")


def run(first: int, count: int) -> int:
    """Try ``count`` seeds; return 1 after printing the seed of the first failure."""
    ended: Counter[str] = Counter()
    slowest = (0.0, first)
    before = _peak_megabytes()
    for seed in range(first, first + count):
        signal.setitimer(signal.ITIMER_PROF, HUNG)
        try:
            how, seconds = try_one(seed)
        except Exception as bug:
            print(f"seed {seed}: {type(bug).__name__}: {bug}")
            return 1
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        ended[how] += 1
        slowest = max(slowest, (seconds, seed))
        peak = _peak_megabytes() - before
        if slowest[0] > SECONDS or peak > MEGABYTES:
            print(f"seed {seed}: {slowest[0]:.1f} s, {peak:.0f} MB")
            return 1
    print(f"{ended.total()} inputs, {peak:.0f} MB more at most")
    print(f"slowest {slowest[0]:.2f} s of the processor, seed {slowest[1]}")
    print("\n".join(f"{how}: {ended[how]}" for how in sorted(ended)))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first input; the next has one more"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGPROF, _hung)
    return run(arguments.seed, arguments.inputs)


if __name__ == "__main__":
    sys.exit(main())
