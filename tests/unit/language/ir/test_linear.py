"""The work of commands is linear in the size of a text, counted in calls."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main


def layers(count: int) -> str:
    """A chain of layers, whose couplings are declared from its end."""
    names = "\n".join(f"layer l{i}: [1] tanh" for i in range(count))
    ends = "\n".join(f"l{i} <-> l{i + 1} : linear()" for i in reversed(range(count - 1)))
    return _model("linear(1)", f"{names}\nu -> l0\n{ends}", f"l{count - 1}")


def ops(count: int) -> str:
    chain = "linear(1)" + " |> relu()" * count
    return _model(chain, "layer s: [1] tanh\nu -> s", "s")


def params(count: int) -> str:
    declared = "\n".join(f"param p{i}: int = 1" for i in range(count))
    text = _model("linear(1)", "layer s: [1] tanh\nu -> s", "s")
    return text.replace("ffe 1.0", f"ffe 1.0\n{declared}")


def _model(chain: str, energy: str, out: str) -> str:
    return f"""ffe 1.0
model m {{
  input  x: vector(4)
  target y: label(2)
  block b {{
    feedforward u = x |> {chain}
    energy hopfield {{
{energy}
    }}
    out = {out}
  }}
  readout z = b |> linear(2)
  loss = cross_entropy(z, y)
}}
"""


@pytest.mark.parametrize("make", [layers, ops, params])
@pytest.mark.parametrize(
    "command",
    [["check", "--static"], ["show"], ["convert", "--to", "json"], ["diff", "F"]],
    ids=str,
)
def test_the_work_is_proportional_to_the_text(
    make: Callable[[int], str],
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "a.ffe"

    def work(count: int) -> int:
        path.write_text(make(count))
        profile = cProfile.Profile()
        name, *options = [str(path) if word == "F" else word for word in command]
        assert profile.runcall(main, [name, str(path), *options]) == 0
        return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]

    work(10)  # what is imported and read once
    once, twice = work(100), work(200)
    assert twice < 2.3 * once
