"""Every command of docs/paper.md names an existing spec and valid settings."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from ffebm_dsl.language.ir import compile_spec, read_source

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (ffebm (?:train|check) .*)$", PAGE.replace("\\\n", " "), re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_is_of_a_valid_spec(command: str) -> None:
    words = shlex.split(command.replace("SPEC", "split_l6_bs2"), comments=True)
    settings = dict(v.split("=", 1) for option, v in pairwise(words) if option == "--set")
    compile_spec(read_source(ROOT / words[2]), settings)


def test_every_spec_of_the_paper_is_on_the_page() -> None:
    for path in (ROOT / "specs" / "paper").glob("*.ffe"):
        stem, _, size = path.stem.partition("_bs")
        assert stem in PAGE and (not size or f"_bs{size}" in PAGE)


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) > 5
