"""Drawings: no overlaps, reproducible bytes, well-formed and accessible."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec, read_source
from ffebm_dsl.language.ir.model import ModelIR
from ffebm_dsl.tools.drawing import draw
from ffebm_dsl.tools.drawing.diagram import make_diagram
from ffebm_dsl.tools.drawing.placing import place, print_scale
from ffebm_dsl.tools.drawing.routes import assign_lanes
from ffebm_dsl.tools.drawing.sizes import fitted, width, wrapped
from ffebm_dsl.tools.drawing.svg import Box, Line, Scene, Text

ROOT = Path(__file__).parents[4]
SPECS = [*(ROOT / "specs").rglob("*.ffe"), *(ROOT / "tests" / "golden" / "good").glob("*.ffe")]
NODES = ("end", "map", "layer")


class Area(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Area) -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def holds(self, other: Area) -> bool:
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom


def area_of(box: Box, shrink: float = 0.0) -> Area:
    right, bottom = box.x + box.width - shrink, box.y + box.height - shrink
    return Area(box.x + shrink, box.y + shrink, right, bottom)


def area_of_text(text: Text) -> Area:
    """Where the letters are: from the height of capitals to below the baseline."""
    size = 10.5 if "small" in text.style else 12
    wide = width(text.words, size, bold="title" in text.style) / 1.06
    left = text.x - {"start": 0.0, "middle": wide / 2, "end": wide}[text.anchor]
    return Area(left, text.y - 0.72 * size, left + wide, text.y + 0.2 * size)


def segments(line: Line) -> Iterator[Area]:
    """The straight pieces: all run along an axis, so each is an area as thin as its pen."""
    for (x, y), (x2, y2) in pairwise(line.points):
        assert x == x2 or y == y2, "a slanting line"
        yield Area(min(x, x2) - 0.7, min(y, y2) - 0.7, max(x, x2) + 0.7, max(y, y2) + 0.7)


def faults(scene: Scene) -> list[str]:
    """What a reader would stumble over."""
    nodes = [area_of(box, 1) for box in scene.boxes if box.style in NODES]
    texts = [(text.words, area_of_text(text)) for text in scene.texts if text.words]
    lines = [piece for line in scene.lines for piece in segments(line)]
    canvas = Area(0, 0, scene.width, scene.height)
    found = ["two nodes overlap" for a, b in combinations(nodes, 2) if a.meets(b)]
    found += [f"{v} and {w} overlap" for (v, a), (w, b) in combinations(texts, 2) if a.meets(b)]
    found += [f"a line crosses {w}" for w, a in texts for piece in lines if a.meets(piece)]
    found += ["a line crosses a node" for a in nodes for piece in lines if a.meets(piece)]
    found += [f"{w} is outside" for w, a in texts if not canvas.holds(a)]
    for words, text in texts:
        around = [node for node in nodes if node.meets(text)]
        found += [f"{words} leaves its node" for node in around if not node.holds(text)]
    return found


def model_of(text: str) -> ModelIR:
    return compile_spec(SourceFile("a.ffe", text)).spec.model


def picture(model: ModelIR) -> Scene:
    return place(make_diagram(model))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_nothing_overlaps(path: Path) -> None:
    assert faults(picture(compile_spec(read_source(path)).spec.model)) == []


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_it_can_be_read_on_a_page(path: Path) -> None:
    """The small letters have at least 4.5 points where the picture fills a page."""
    scene = picture(compile_spec(read_source(path)).spec.model)
    assert 10.5 * print_scale(scene.width, scene.height) > 4.5


@st.composite
def specs(draw_: st.DrawFn) -> str:
    """Chains of blocks with skips, laterals, double couplings and maps that read anything."""
    lines, ports, blocks = ["ffe 1.1", "model m {", "input x: vector(4)"], ["x"], []
    for b in range(draw_(st.integers(1, 4))):
        if draw_(st.booleans()):
            lines.append(f"feedforward f{b} = {draw_(st.sampled_from(ports))} |> relu")
            ports.append(f"f{b}")
        maps = [f"u{i}" for i in range(draw_(st.integers(0, 3)))]
        layers = [f"s{i}" for i in range(draw_(st.integers(1, 5)))]
        any_layer = st.sampled_from(layers)
        lines.append(f"block b{b} {{")
        for name in maps:
            ops = draw_(st.sampled_from(["", " |> linear(4)", " |> linear(400) |> linear(4)"]))
            lines.append(f"feedforward {name} = {draw_(st.sampled_from(ports))}{ops}")
        lines.append("energy hopfield {")
        lines += [f"layer {name}: [4] hard_sigmoid" for name in layers]
        for _ in range(draw_(st.integers(1, 4))):
            op = draw_(st.sampled_from(["", " : linear(bias=false)"]))
            lines.append(f"{draw_(st.sampled_from(maps + ports))} -> {draw_(any_layer)}{op}")
        lines += [f"{a} <-> {b} : linear" for a, b in pairwise(layers)]
        for _ in range(draw_(st.integers(0, 4))):
            op = draw_(st.sampled_from(["", " : linear(bias=false)"]))
            lines.append(f"{draw_(any_layer)} <-> {draw_(any_layer)}{op}")
        lines += ["}", f"out = {draw_(any_layer)}", f"out skip = {draw_(any_layer)}", "}"]
        ports += [f"b{b}", f"b{b}.skip"]
        blocks.append(f"b{b}")
    lines += [f"readout r = {blocks[-1]} |> linear(3)", "target y: label(3)"]
    return "\n".join([*lines, "loss = cross_entropy(r, y)", "}"])


@given(specs())
@settings(max_examples=25, deadline=None)
def test_nothing_overlaps_in_any_network(text: str) -> None:
    model = model_of(text)
    assert faults(picture(model)) == []
    assert draw(model) == draw(model)


def test_an_overlap_would_be_found() -> None:
    scene = picture(model_of(TINY))
    label = next(t for t in scene.texts if t.words == "[4]")
    across = Line(((label.x, label.y - 3), (label.x + 9, label.y - 3)), "one-way")
    node = next(box for box in scene.boxes if box.style == "layer")
    through = Line(((node.x - 9, node.y + 4), (node.x + 99, node.y + 4)), "one-way")
    planted = {
        "a line crosses [4]": scene._replace(lines=(*scene.lines, across)),
        "a line crosses a node": scene._replace(lines=(*scene.lines, through)),
        "[4] and [4] overlap": scene._replace(texts=(*scene.texts, label)),
        "two nodes overlap": scene._replace(boxes=(*scene.boxes, node)),
        "[4] is outside": scene._replace(texts=(label._replace(x=-9.0),)),
    }
    assert faults(scene) == []
    for fault, wrong in planted.items():
        assert fault in faults(wrong)


TINY = """ffe 1.1
model tiny {
  input x: vector(4)
  target y: label(3)
  block b {
    energy hopfield { layer s1: [4] relu  layer s2: [4] tanh  x -> s1  s1 <-> s2 : linear }
    out = s2
  }
  readout r = b |> linear(3)
  loss = cross_entropy(r, y)
}
"""
SVG = "{http://www.w3.org/2000/svg}"


def test_the_document_speaks() -> None:
    root = ET.fromstring(draw(model_of(TINY)))
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == "Network tiny"  # type: ignore[union-attr]
    described = root.find(f"{SVG}desc").text  # type: ignore[union-attr]
    assert "layer s1: [4] relu" in described and "s1 <-> s2 : linear" in described  # type: ignore[operator]
    assert {root.get("aria-labelledby")} == {"title description"}
    ids = [node.get("id") for node in root if node.get("id")]
    assert ids == ["title", "description"]


def test_couplings_have_two_heads_and_drives_one() -> None:
    scene = picture(model_of(TINY))
    assert {line.both for line in scene.lines if line.style == "symmetric"} == {True}
    assert {line.both for line in scene.lines if line.style == "one-way"} == {False}
    # Of the drive, the output, the readout and the legend.
    assert sum(line.style == "one-way" for line in scene.lines) == 4


def test_ops_of_connections_are_written_with_their_parameters() -> None:
    scene = picture(model_of(TINY.replace("x -> s1", "x -> s1 : linear(bias=false)")))
    words = [text.words for text in scene.texts]
    assert words.count("16 parameters") == 1 and words.count("20 parameters") == 1


def test_a_port_of_another_column_is_named_at_the_arrow() -> None:
    scene = picture(compile_spec(read_source(ROOT / "specs" / "paper" / "resnet18.ffe")).spec.model)
    assert "b4.out" in [text.words for text in scene.texts]


def test_long_names_are_cut_and_special_characters_escaped() -> None:
    name = "n" * 300
    text = TINY.replace("block b", f"block {name}").replace("= b ", f"= {name} ")
    scene = picture(model_of(text))
    assert faults(scene) == []
    assert any(t.words.endswith("\u2026") for t in scene.texts)
    assert "&lt;-&gt;" in draw(model_of(TINY))


def test_measures() -> None:
    assert width("mm", 10) > width("ii", 10)
    assert fitted("abc", 1000, 10) == "abc"
    assert width(fitted("a" * 99, 50, 10), 10) <= 50
    assert wrapped(["aaa", "bbb", "ccc"], width("aaa bbb", 10) + 0.1, 10) == ("aaa bbb", "ccc")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=12))
def test_no_two_lines_share_a_lane(pairs: list[tuple[int, int]]) -> None:
    spans = [(float(a), float(a + b)) for a, b in pairs]
    lanes = assign_lanes(spans)
    for (i, a), (j, b) in combinations(enumerate(spans), 2):
        assert lanes[i] != lanes[j] or a[1] <= b[0] or b[1] <= a[0]
    assert not lanes or math.isclose(min(lanes), 0)
