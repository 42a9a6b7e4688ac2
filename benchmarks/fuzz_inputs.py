"""Random unusual files, made from a seed, for ``fuzz_specs``."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.interchange.document import write_json, write_yaml
from ffebm_dsl.language.interchange.load import to_plain
from ffebm_dsl.language.ir import compile_spec

ROOT = Path(__file__).parents[1]
SPECS = [
    path.read_text(encoding="utf-8")
    for folder in ("specs", "tests/golden")
    for path in sorted((ROOT / folder).rglob("*.ffe"))
]
SMALL = ("specs/small/digits.ffe", "specs/small/smallest.ffe", "specs/paper/split_l6_bs3.ffe")
WORD = re.compile(r'"[^"\n]*"|#[^\n]*|\w+(?:\.\d+)?|<->|->|\|>|\s+|[^\w\s]')
NUMBER = re.compile(r"\b\d+(?:\.\d+)?(?:e-?\d+)?\b")
SYMBOLS = "{ } ( ) [ ] -> <-> |> = , : . ; # ## $ 0 -1 1e309 1e-400 999999999999 1/0 0.0 true out"
HIDDEN = (0x22, 0x5C, 0x09, 0x0D, 0x00, 0xFEFF, 0x202E, 0xE9, 0x1D538)
JUNK = [*SYMBOLS.split(), "layer", "x", "s1", "b1", *map(chr, HIDDEN), "(" * 40, "9" * 5000]
MARKUP = ["- ", "? ", ": ", "&a ", "*a", "!!str ", "|\n ", ">\n ", "<<: ", "---\n", "...\n", "%x\n"]
MARKUP += ["null", "~", "'", "\\", "{}", "[]", "1e400", "-0", ".inf", "0x1", "yes", "2001-01-01"]
LONGEST = 1 << 16


class Case(NamedTuple):
    """A file: its name, whose suffix is the format, and its contents."""

    name: str
    content: bytes


def mutated(rng: random.Random) -> Case:
    """A real spec with one to eight words changed."""
    return _text(_spoiled(rng, rng.choice(SPECS), JUNK))


def _text(text: str, name: str = "fuzz.ffe") -> Case:
    return Case(name, text.encode())


def _spoiled(rng: random.Random, text: str, junk: list[str]) -> str:
    words = WORD.findall(text)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(words))
        other = rng.choice(words)
        words[at] = rng.choice(["", words[at] * 2, f"{words[at]} {other}", other, rng.choice(junk)])
    return "".join(words)


def soup(rng: random.Random) -> Case:
    """Words of specs and junk in random order."""
    words = WORD.findall(rng.choice(SPECS)) + JUNK
    return _text(" ".join(rng.choices(words, k=rng.randint(1, 60))))


def noise(rng: random.Random) -> Case:
    """Random bytes in a file of any format; half of the files consist of bytes of text only."""
    content = rng.randbytes(rng.randint(0, 80))
    if rng.random() < 0.5:
        content = bytes(9 + byte % 118 for byte in content)
    return Case(f"fuzz.{rng.choice(['ffe', 'yaml', 'json'])}", content)


def dressed(rng: random.Random) -> Case:
    """A spec, possibly mutated, as saved by other systems and editors."""
    text = rng.choice(SPECS)
    if rng.random() < 0.3:
        text = _spoiled(rng, text, JUNK)
    for dress in rng.sample(_DRESSES, rng.randint(1, 4)):
        text = dress(rng, text)
    return _text(text)


def _put(rng: random.Random, text: str, what: str) -> str:
    at = rng.randint(0, len(text))
    return text[:at] + what + text[at:]


_DRESSES: list[Callable[[random.Random, str], str]] = [
    lambda rng, text: text.replace("\n", "\r\n"),
    lambda rng, text: text.replace("\n", "\r"),
    lambda rng, text: "\ufeff" + text,
    lambda rng, text: "\ufeff\ufeff" + text,
    lambda rng, text: text.replace("  ", "\t"),
    lambda rng, text: text.replace(" ", "\u00a0"),
    lambda rng, text: text.rstrip("\n"),
    lambda rng, text: text[: rng.randint(0, len(text))],
    lambda rng, text: text.replace(" ", "\n"),
    lambda rng, text: text.replace("#", "## "),
    lambda rng, text: _put(rng, text, "\0"),
    lambda rng, text: _put(rng, text, "\f\v\x85\u2028"),
    lambda rng, text: _put(rng, text, "\r"),
    lambda rng, text: _put(rng, text, "\t" * rng.randint(1, 2000)),
    lambda rng, text: _put(rng, text, "\n" * rng.randint(1, 20_000)),
]


def deep(rng: random.Random) -> Case:
    """Deep nesting or a long repetition at a place in a real spec."""
    count = rng.choice([5, 31, 33, 100, 1000, 5000, 20_000])
    words = WORD.findall(rng.choice(SPECS))
    words[rng.randrange(len(words))] = rng.choice(_NESTS)(count)
    return _text("".join(words)[:LONGEST])


_NESTS: list[Callable[[int], str]] = [
    lambda n: "(" * n + "1" + ")" * n,
    lambda n: "[" * n,
    lambda n: "{" * n + "}" * n,
    lambda n: "}" * n,
    lambda n: "f(" * n + ")" * n,
    lambda n: "(-" * n + "1" + ")" * n,
    lambda n: "-" * n + "1",
    lambda n: "1" + "+1" * n,
    lambda n: "2" + "*2" * n,
    lambda n: "x" + "|>relu" * n,
    lambda n: "x" + ".x" * n,
    lambda n: "block b {" * n,
    lambda n: "model m {" * n,
    lambda n: "[" + "1," * n + "]",
    lambda n: "#" * n + "\n",
    lambda n: '"' * n,
    lambda n: "a" * n,
    lambda n: "$" * n,
]


def giant(rng: random.Random) -> Case:
    """A real spec with extreme numbers."""
    share = rng.choice([0.02, 0.1, 0.5])

    def number(match: re.Match[str]) -> str:
        if rng.random() > share or match.start() < len("ffe 1.0"):
            return match.group()
        digits = rng.choice([1, 5, 9, 10, 11, 19, 20, 300, 310, 5000])
        exponent = rng.choice(["e308", "e309", "e-400", "e99999999", "e-99999999", "*1e308*1e308"])
        return rng.choice(
            [
                "0",
                "-1",
                "9" * digits,
                "1" + exponent,
                "0." + "0" * digits + "1",
                "1/3",
                "2147483647",
            ]
        )

    return _text(NUMBER.sub(number, rng.choice(SPECS)))


def document(rng: random.Random) -> Case:
    """A real spec as YAML or JSON, with words changed."""
    name, text = rng.choice(_documents())
    if rng.random() < 0.2:
        text = NUMBER.sub(lambda match: "9" * rng.choice([1, 12, 400, 5000]), text, count=3)
    return _text(_spoiled(rng, text, JUNK + MARKUP), name)


@lru_cache(maxsize=1)
def _documents() -> list[tuple[str, str]]:
    texts = [(ROOT / path).read_text(encoding="utf-8") for path in SMALL]
    plain = [to_plain(compile_spec(SourceFile("spec.ffe", text)).spec) for text in texts]
    return [("fuzz.yaml", write_yaml(data)) for data in plain] + [
        ("fuzz.json", write_json(data)) for data in plain
    ]


def full(rng: random.Random) -> Case:
    """A text of the maximum size, repeating a few lines or words of a spec."""
    text = rng.choice(SPECS)
    lines = text.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    words = " ".join(rng.choices(WORD.findall(text) + JUNK[:-2], k=rng.randint(1, 6))) + " "
    unit = rng.choice(["".join(lines[at : at + rng.randint(1, 4)]), words, rng.choice(JUNK[:-2])])
    head = rng.choice(["", text[: rng.randint(0, len(text))], "model m {\n"])
    return _text(_filled(head, unit))


def _filled(head: str, unit: str, tail: str = "") -> str:
    room = LONGEST - len((head + tail).encode())
    return head + unit * (room // max(len(unit.encode()), 1)) + tail


def dense(rng: random.Random) -> Case:
    """YAML or JSON of the maximum size, with as many or as deeply nested values as possible."""
    form = rng.choice(["yaml", "json"])
    _, text = next(entry for entry in _documents() if entry[0].endswith(form))
    signs = ["1,", "[],", "{},", '"",', '{"a":1},', "[", '{"a":', '{"kind":"block"},', "a: ", "a,"]
    pieces = [*signs, *text.splitlines(keepends=True)[:40], *MARKUP, "- 1\n", "a:\n", "\n", " "]
    unit = "".join(rng.choices(pieces, k=rng.choice([1, 1, 2, 5])))
    stages = text[: text.index("stages") + len('stages": [')]
    head = rng.choice(["", "[", '{"a":[', '{"version":"1.0","model":{"stages":[', stages])
    tail = rng.choice(["", "]", "1]", "{}]}}"])
    return _text(_filled(head, unit, tail), f"fuzz.{form}")


def huge(rng: random.Random) -> Case:
    """Ten megabytes."""
    unit = rng.choice([rng.choice(SPECS).encode(), b"\0", b"[", b"#", b"\n", rng.randbytes(999)])
    name = f"fuzz.{rng.choice(['ffe', 'yaml', 'json'])}"
    return Case(name, unit * (10 * (1 << 20) // len(unit)))


KINDS: Mapping[Callable[[random.Random], Case], float] = {
    mutated: 30,
    soup: 15,
    noise: 10,
    dressed: 12,
    deep: 8,
    giant: 8,
    document: 14,
    full: 1,
    dense: 1,
    huge: 0.1,
}
"""Each maker of files, and its relative frequency."""
