"""Every ``ffe`` block of docs/language.md is a spec that compiles without a warning.

Fragments name their context (``ffe model``) and are inserted into a spec that lacks them.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec

PAGE = Path(__file__).parents[4] / "docs" / "language.md"
BLOCKS = re.findall(r"^```ffe ?(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)

ENDS = "input x: image(1, 8, 8)\ntarget y: label(10)\n"
BLOCK = """block b0 {
  feedforward u = x |> flatten |> linear(6)
  energy hopfield { layer s: [6] tanh  u -> s }
  out = s
}
"""
READOUT = "readout logits = {port} |> flatten |> linear(10)\nloss = cross_entropy(logits, y)\n"


def complete(kind: str, text: str) -> str:
    if not kind:
        return text
    model = f"model m {{\n{ENDS}{BLOCK}{READOUT.format(port='b0')}}}\n"
    if kind == "train":
        return f"ffe 1.0\n{model}{text}"
    if kind == "param":
        return f"ffe 1.0\n{text}{model}"
    assert kind == "model"
    if "feedforward h" in text:
        inside = text + BLOCK.replace("= x", "= g") + READOUT.format(port="b0")
    elif "loss = " in text:
        inside = text
    elif "block b" in text:
        inside = text + READOUT.format(port="b")
    else:
        inside = text + BLOCK + READOUT.format(port="b0")
    return f"ffe 1.1\nmodel m {{\n{ENDS}{inside}}}\n"


@pytest.mark.parametrize(("kind", "text"), BLOCKS)
def test_block_compiles(kind: str, text: str) -> None:
    compiled = compile_spec(SourceFile("language.md", complete(kind, text)))
    unused_params = [w for w in compiled.warnings if w.code == "FFEW002"]
    assert list(compiled.warnings) == (unused_params if kind == "param" else [])


def test_there_are_blocks_of_every_kind() -> None:
    assert {kind for kind, _ in BLOCKS} == {"", "param", "model", "train"}
