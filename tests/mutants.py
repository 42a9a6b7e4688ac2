"""Real specs with planted faults, for measuring error recovery.

Everything is drawn from a seed, so that measurements are reproducible.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ffebm_dsl.language.diagnostics import Diagnostic, SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec

ROOT = Path(__file__).parents[1]
TOKEN = re.compile(r'#[^\n]*|"[^"\n]*"|[A-Za-z_]\w*|[0-9][\w.]*|<->|->|\|>|[^\w\s]')
STRAY = "$@;!?&%~"
JUNK = ("foo", "layers", "42", "3.5", "=", "->", ")", "{", "|>", '"text"', ",")


@dataclass(frozen=True)
class Mutant:
    """A text with faults at these lines, each of a kind."""

    origin: str
    text: str
    lines: tuple[int, ...]
    kinds: tuple[str, ...]


def real_specs() -> list[tuple[str, str]]:
    """Name and text of every spec of the repository that is right."""
    paths = [
        *sorted((ROOT / "specs").rglob("*.ffe")),
        *sorted((ROOT / "tests/golden/good").glob("*.ffe")),
    ]
    return [(path.name, path.read_text(encoding="utf-8")) for path in paths]


DRAWN = (
    *(f"specs/paper/{name}.ffe" for name in ("gradient_analysis", "resnet18")),
    *(f"specs/paper/scaling_{name}.ffe" for name in ("l12", "l15")),
    *(f"specs/paper/split_l12_{name}.ffe" for name in ("bs2", "bs3", "bs4")),
    *(f"specs/paper/split_l6_{name}.ffe" for name in ("bs2", "bs3", "bs6")),
    *(f"specs/small/{name}.ffe" for name in ("digits", "mnist", "smallest")),
    *(f"tests/golden/good/{n}.ffe" for n in ("constructs", "groups", "hybrid3", "overrides")),
)
"""What mutants are drawn from, by name: a spec that is added changes no set that was measured."""


def drawn_specs() -> list[tuple[str, str]]:
    paths = [ROOT / name for name in DRAWN]
    return [(path.name, path.read_text(encoding="utf-8")) for path in paths]


def tokens(text: str) -> list[tuple[int, int]]:
    """Where the tokens of ``text`` are, comments left out."""
    return [m.span() for m in TOKEN.finditer(text) if not m.group().startswith("#")]


Change = Callable[[str, random.Random], str]

FAULTS: dict[str, Change] = {
    "deleted": lambda token, rng: "",
    "doubled": lambda token, rng: f"{token} {token}",
    "stray character": lambda token, rng: f"{rng.choice(STRAY)} {token}",
    "replaced": lambda token, rng: rng.choice([word for word in JUNK if word != token]),
    "cut short": lambda token, rng: token[:-1],
}
"""What becomes of one token."""


def single_token_faults(
    text: str,
    origin: str,
    count: int,
    rng: random.Random,
    stays_legal: Callable[[str], bool] = lambda text: False,
) -> Mutant:
    """``text`` with ``count`` tokens spoiled, on as many lines that are not neighbours.

    A change after which, made alone, the text ``stays_legal`` is no fault and drawn anew.
    """
    places = tokens(text)
    chosen: list[tuple[int, int, str, str]] = []
    while len(chosen) < count:
        start, end = rng.choice(places)
        kind = rng.choice([*FAULTS])
        new = FAULTS[kind](text[start:end], rng)
        line = line_of(text, start)
        apart = all(abs(line_of(text, other) - line) > 1 for other, *_ in chosen)
        if apart and not stays_legal(text[:start] + new + text[end:]):
            chosen.append((start, end, new, kind))
    faulty = text
    for start, end, new, _ in sorted(chosen, reverse=True):
        faulty = faulty[:start] + new + faulty[end:]
    lines = tuple(line_of(text, start) for start, *_ in chosen)
    return Mutant(origin, faulty, lines, tuple(kind for *_, kind in chosen))


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def errors_of(text: str) -> tuple[Diagnostic, ...]:
    """The errors, without warnings, that compiling ``text`` gives."""
    try:
        compile_spec(SourceFile("mutant.ffe", text))
    except SpecError as fault:
        return tuple(d for d in fault.diagnostics if d.severity == "error")
    return ()


def line_of_report(diagnostic: Diagnostic) -> int:
    return diagnostic.source.position(diagnostic.span.start)[0]


def found(lines: Sequence[int], reports: Sequence[int]) -> int:
    """How many of the faults at ``lines`` are reported on their line or the next."""
    return sum(line in reports or line + 1 in reports for line in lines)


def spurious(lines: Sequence[int], reports: Sequence[int]) -> int:
    """How many reports are of no fault, or of one that was reported already."""
    left = [*reports]
    for line in lines:
        for near in (line, line + 1):
            if near in left:
                left.remove(near)
                break
    return len(left)


def draw(
    count: int, faults: int, seed: int, stays_legal: Callable[[str], bool] = lambda text: False
) -> Iterator[Mutant]:
    """``count`` mutants of specs drawn at random; the same ones for the same seed."""
    rng = random.Random(seed)
    specs = drawn_specs()
    for _ in range(count):
        origin, text = rng.choice(specs)
        yield single_token_faults(text, origin, faults, rng, stays_legal)


def _typo(word: str, rng: random.Random) -> str:
    """A word with two neighbours swapped, a letter left out, doubled or replaced."""
    at = rng.randrange(len(word))
    swapped = word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
    doubled = word[:at] + word[at] * 2 + word[at + 1 :]
    replaced = word[:at] + rng.choice("aeioutnsrx") + word[at + 1 :]
    return rng.choice([swapped, doubled, replaced, word[:at] + word[at + 1 :]])


SLIPS: dict[str, tuple[str, Change]] = {
    "typo": (r"[A-Za-z_]\w{2,}", _typo),
    "missing brace": (r"[{}]", lambda token, rng: ""),
    "wrong shape": (
        r"(?<=layer )\w+: *\[[^]]*\]",
        lambda token, rng: rng.choice(
            [token.replace("[", "[3 + ", 1), token.replace("[", "[2, ", 1), token[:-1] + ", 5]"]
        ),
    ),
    "swapped arrow": (
        r"<->|->",
        lambda token, rng: {"->": rng.choice(["<->", "<-"]), "<->": rng.choice(["->", "<-"])}[
            token
        ],
    ),
}
"""Slips that people make: what is changed, and into what."""


def slips(
    count: int, seed: int, stays_legal: Callable[[str], bool], without: frozenset[str] = frozenset()
) -> Iterator[Mutant]:
    """``count`` mutants of real specs with one slip each, none of the texts in ``without``."""
    rng = random.Random(seed)
    specs = drawn_specs()
    seen = set(without)
    while count:
        origin, text = rng.choice(specs)
        kind = rng.choice([*SLIPS])
        pattern, change = SLIPS[kind]
        code = re.sub(r"#[^\n]*", lambda comment: " " * len(comment.group()), text)
        place = rng.choice([*re.finditer(pattern, code)])
        faulty = text[: place.start()] + change(place.group(), rng) + text[place.end() :]
        if faulty in seen or faulty == text or stays_legal(faulty):
            continue
        seen.add(faulty)
        count -= 1
        yield Mutant(origin, faulty, (line_of(text, place.start()),), (kind,))
