"""The README's spec compiles, and its output is real."""

from __future__ import annotations

import re
from pathlib import Path

import torch

import ffebm_dsl
from ffebm_dsl.cli.commands import COMMANDS

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_spec_trains_a_step() -> None:
    (text,) = blocks("ffe")
    assert len(text.splitlines()) == 15
    network = ffebm_dsl.load(text)
    outcome = network(torch.randn(4, 1, 8, 8), torch.arange(4))
    outcome.loss.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_snippet_runs() -> None:
    (code,) = blocks("python")
    root = README.parent
    values = {"x": torch.randn(4, 1, 8, 8), "y": torch.arange(4)}
    exec(code.replace('"specs/', f'"{root.as_posix()}/specs/'), values)  # noqa: S102
    assert all(p.grad is not None for p in values["network"].parameters())


def test_every_command_is_in_its_table() -> None:
    named = " ".join(re.findall(r"^\| (`.*?) \|", README.read_text(encoding="utf-8"), re.MULTILINE))
    assert [name for name in COMMANDS if not re.search(rf"\b{name}\b", named)] == []
