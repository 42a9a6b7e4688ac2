"""A long run of the front end on texts that nobody would write: it answers, or it is a bug.

    python benchmarks/fuzz_specs.py --inputs 100000 --seed 1

Texts are random bytes and words, and real specs with words exchanged, lost and doubled, with
overrides besides. Every one must end in a network or in diagnostics that can be shown, within
two seconds and 500 MB; the first that does not is printed with the seed that makes it again.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import sys
import time
from collections import Counter
from pathlib import Path

from ffebm_dsl.diagnostics import InputError, SourceFile, SpecError, render, to_record
from ffebm_dsl.ir import compile_spec
from ffebm_dsl.syntax.reading import decode_source

ROOT = Path(__file__).parents[1]
SPECS = [
    path.read_text(encoding="utf-8")
    for folder in ("specs", "tests/golden")
    for path in sorted((ROOT / folder).rglob("*.ffe"))
]
WORD = re.compile(r'"[^"\n]*"|#[^\n]*|\w+(?:\.\d+)?|<->|->|\|>|\s+|[^\w\s]')
SYMBOLS = "{ } ( ) [ ] -> <-> |> = , : . ; # $ 0 -1 1e309 1e-400 999999999999 1/0 0.0 true out"
HIDDEN = (0x22, 0x5C, 0x09, 0x0D, 0x00, 0xFEFF, 0x202E, 0xD800, 0xE9, 0x1D538)
JUNK = [*SYMBOLS.split(), "layer", "x", "s1", "b1", *map(chr, HIDDEN), "(" * 40, "9" * 5000]
SECONDS, MEGABYTES = 2.0, 500


def mutated(rng: random.Random) -> str:
    """A real spec with one to eight words changed."""
    words = WORD.findall(rng.choice(SPECS))
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(words))
        other = rng.choice(words)
        words[at] = rng.choice(["", words[at] * 2, f"{words[at]} {other}", other, rng.choice(JUNK)])
    return "".join(words)


def soup(rng: random.Random) -> str:
    """Words of specs and junk in any order."""
    words = WORD.findall(rng.choice(SPECS)) + JUNK
    return " ".join(rng.choices(words, k=rng.randint(1, 60)))


def noise(rng: random.Random) -> str:
    """Random bytes, as they are read from a file; what is no text at all becomes an InputError."""
    return decode_source(rng.randbytes(rng.randint(0, 80)), "fuzz.ffe").text


def overrides(rng: random.Random) -> dict[str, str]:
    if rng.random() < 0.7:
        return {}
    keys = ["width", "epochs", "optimizer.lr", "gradient.beta", "seed", "", ".", "x" * 99]
    return {rng.choice(keys): rng.choice([*JUNK, "64", "adam(lr=1e-3)", "[1, 2", "1 2"])}


def try_one(seed: int) -> str:
    """Compile the text of ``seed``; how it ended. Raises whatever the front end raises."""
    rng = random.Random(seed)
    kind = rng.choice([mutated, mutated, soup, noise])
    try:
        compile_spec(SourceFile("fuzz.ffe", kind(rng)), overrides(rng))
    except SpecError as fault:
        for diagnostic in fault.diagnostics:
            render(diagnostic)
            json.dumps(to_record(diagnostic))
        return f"{kind.__name__}: refused"
    except InputError:
        return f"{kind.__name__}: no text"
    return f"{kind.__name__}: a network"


def _peak_megabytes() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first input; the next has one more"
    )
    arguments = parser.parse_args()
    ended: Counter[str] = Counter()
    slowest = peak = 0.0
    before = _peak_megabytes()
    for seed in range(arguments.seed, arguments.seed + arguments.inputs):
        start = time.process_time()
        try:
            ended[try_one(seed)] += 1
        except Exception as bug:
            print(f"seed {seed}: {type(bug).__name__}: {bug}")
            return 1
        slowest = max(slowest, time.process_time() - start)
        peak = _peak_megabytes() - before
        if slowest > SECONDS or peak > MEGABYTES:
            print(f"seed {seed}: {slowest:.1f} s, {peak:.0f} MB")
            return 1
    print(
        f"{ended.total()} inputs, slowest {slowest:.2f} s of CPU, {peak:.0f} MB more at most",
        *ended.items(),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
