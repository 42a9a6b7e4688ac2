"""``ffebm diff`` of the paper's splits, and of the authors' files as published.

``NAME.txt`` in ``diff/`` is its output, and one ``NAME.json`` an example of its JSON;
``--update-golden`` writes them. ``*_published.ffe`` are transcriptions of the authors'
configurations, including their mistakes.
"""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from ffebm_dsl.cli.main import main

HERE = Path(__file__).parent / "diff"
ROOT = HERE.parents[2]
PAPER, PUBLISHED = "specs/paper", "tests/golden/diff"

CASES: dict[str, tuple[str, str, int]] = {
    "l6_bs6_bs2": (f"{PAPER}/split_l6_bs6.ffe", f"{PAPER}/split_l6_bs2.ffe", 0),
    "l6_bs6_published_bs3": (
        f"{PAPER}/split_l6_bs6.ffe", f"{PUBLISHED}/split_l6_bs3_published.ffe", 1
    ),
    "l12_bs4_bs2": (f"{PAPER}/split_l12_bs4.ffe", f"{PAPER}/split_l12_bs2.ffe", 1),
    "l12_bs4_published_bs3": (
        f"{PAPER}/split_l12_bs4.ffe", f"{PUBLISHED}/split_l12_bs3_published.ffe", 1
    ),
    "l15_published": (
        f"{PAPER}/scaling_l15.ffe", f"{PUBLISHED}/scaling_l15_published.ffe", 1
    ),
    "hardware": ("specs/hardware/digits_device.ffe", "specs/hardware/every_knob.ffe", 1),
}  # fmt: skip


def check(path: Path, found: str, update: bool) -> None:
    if update:
        path.write_text(found, encoding="utf-8")
    assert path.is_file(), f"{path} is missing: run pytest --update-golden"
    assert found == path.read_text(encoding="utf-8")


def printed(name: str, *options: str) -> str:
    """What the command prints about a case, with paths below the root."""
    a, b, status = CASES[name]
    with redirect_stdout(StringIO()) as out:
        assert main(["diff", str(ROOT / a), str(ROOT / b), *options]) == status
    return out.getvalue().replace(f"{ROOT}/", "")


@pytest.mark.parametrize("name", CASES)
def test_diff(name: str, update_golden: bool) -> None:
    check(HERE / f"{name}.txt", printed(name), update_golden)


def test_json(update_golden: bool) -> None:
    found = json.dumps(as_json("l6_bs6_bs2"), indent=1) + "\n"
    check(HERE / "l6_bs6_bs2.json", found, update_golden)


@cache
def as_json(name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(printed(name, "--json"))
    return values


def named(name: str) -> list[tuple[str, int, str, str]]:
    rows = as_json(name)["network"]
    return [(r["what"], r["a"]["layer"], r["a"]["has"], r["b"]["has"]) for r in rows]


def test_the_extra_pool_of_six_layers_is_found() -> None:
    pool = ("pooling", 5, "none", "max_pool2d(2)")
    assert named("l6_bs6_published_bs3") == [pool]
    sizes = [as_json("l6_bs6_published_bs3")[side]["parameters"] for side in "ab"]
    assert [round(size / 1e6, 2) for size in sizes] == [4.96, 4.56]


def test_the_moved_pools_of_twelve_layers_are_found() -> None:
    pools = [(layer, a != "none") for what, layer, a, _ in named("l12_bs4_published_bs3")
             if what == "pooling"]  # fmt: skip
    assert pools == [(3, True), (4, False), (5, True), (7, False), (9, True), (10, False)]


def test_the_mistyped_channel_count_is_found_and_nothing_that_follows_from_it() -> None:
    assert named("l15_published") == [("channels", 10, "256", "258")]
    keys = {setting["key"] for setting in as_json("l15_published")["settings"]}
    assert keys == {"init.diagonal", "init of the readout.diagonal"}


def test_another_split_brings_norms_and_ends() -> None:
    assert as_json("l12_bs4_bs2")["verdict"] == "boundaries"
    whats = {what for what, *_ in named("l12_bs4_bs2")}
    assert whats == {"activation", "bias", "normalisation"}


def test_no_expectation_is_left_over() -> None:
    found = {path.stem for path in HERE.iterdir() if path.suffix != ".ffe"}
    assert found == set(CASES)
