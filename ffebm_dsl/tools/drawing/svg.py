"""The elements of a drawing, with coordinates, and their conversion to SVG.

It uses plain shapes, attributes and one style sheet, which browsers, LaTeX converters and vector
editors support. Arrowheads are drawn explicitly, because converters lose markers. The second half
of the style sheet is for dark backgrounds, in viewers that support them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

Point = tuple[float, float]
"""In pixels, y downwards."""


class Box(NamedTuple):
    """A rectangle. ``style`` is a class of the style sheet; ``tip`` is its tooltip."""

    x: float
    y: float
    width: float
    height: float
    style: str
    radius: float = 4
    tip: str = ""


class Line(NamedTuple):
    """A polyline with rounded corners and an arrowhead at its end, at both ends if ``both``."""

    points: tuple[Point, ...]
    style: str
    both: bool = False
    tip: str = ""


class Text(NamedTuple):
    """One line of text; ``y`` is its baseline, ``anchor`` is start, middle or end."""

    x: float
    y: float
    words: str
    style: str
    anchor: str = "start"


class Scene(NamedTuple):
    """A drawing of size ``width`` x ``height``; boxes are painted first, texts last."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    texts: tuple[Text, ...]


CORNER = 6.0
"""Radius of a line's corners."""
HEAD = 7.0
"""Length of an arrowhead."""

STYLE = """
text { font: 12px Helvetica, Arial, "Liberation Sans", sans-serif; fill: #1b1f24 }
text.small { font-size: 10.5px }
text.title { font-weight: bold }
text.muted { fill: #5b636d }
path { fill: none; stroke-width: 1.4 }
path.one-way { stroke: #2f5d8c }
path.symmetric { stroke: #a8480f; stroke-width: 2 }
polygon.one-way { fill: #2f5d8c }
polygon.symmetric { fill: #a8480f }
rect { stroke-width: 1.2 }
rect.end { fill: #f2f3f5; stroke: #7d858f }
rect.map { fill: #e9f1fa; stroke: #2f5d8c }
rect.layer { fill: #ffe9c9; stroke: #a8480f }
rect.energy { fill: #fff7ea; stroke: #d9b98c; stroke-dasharray: 4 3 }
rect.frame { fill: none; stroke: #9aa2ab }
@media (prefers-color-scheme: dark) {
  text { fill: #e8eaed }
  text.muted { fill: #a3abb5 }
  path.one-way { stroke: #7fb2e5 }
  path.symmetric { stroke: #f0a35e }
  polygon.one-way { fill: #7fb2e5 }
  polygon.symmetric { fill: #f0a35e }
  rect.end { fill: #23272d; stroke: #7d858f }
  rect.map { fill: #1c2b3a; stroke: #7fb2e5 }
  rect.layer { fill: #46300f; stroke: #f0a35e }
  rect.energy { fill: #241c12; stroke: #6d5632 }
  rect.frame { stroke: #5d656f }
}
""".strip()


def to_svg(scene: Scene, title: str, description: str) -> str:
    """The document, with title and description for screen readers."""
    wide, high = _number(scene.width), _number(scene.height)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" '
            f'viewBox="0 0 {wide} {high}" role="img" aria-labelledby="title description">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="description">{escape(description)}</desc>',
            f"<style>\n{STYLE}\n</style>",
            *map(_box, scene.boxes),
            *(part for line in scene.lines for part in _line(line)),
            *(_text(text) for text in scene.texts if text.words),
            "</svg>\n",
        ]
    )


def _box(box: Box) -> str:
    tip = f"<title>{escape(box.tip)}</title>" if box.tip else ""
    return (
        f'<rect class="{box.style}" x="{_number(box.x)}" y="{_number(box.y)}" '
        f'width="{_number(box.width)}" height="{_number(box.height)}" '
        f'rx="{_number(box.radius)}">{tip}</rect>'
    )


def _line(line: Line) -> Iterator[str]:
    points = list(line.points)
    tip = f"<title>{escape(line.tip)}</title>" if line.tip else ""
    points[-1] = _towards(line.points[-1], line.points[-2], HEAD - 1)
    if line.both:
        points[0] = _towards(line.points[0], line.points[1], HEAD - 1)
    yield f'<path class="{line.style}" d="{_path(points)}">{tip}</path>'
    yield _head(line.points[-1], line.points[-2], line.style)
    if line.both:
        yield _head(line.points[0], line.points[1], line.style)


def _path(points: list[Point]) -> str:
    """Straight segments, with a curve at each corner that has space for one."""
    parts = [f"M{_pair(points[0])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(CORNER, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        start, end = _towards(corner, before, radius), _towards(corner, after, radius)
        parts.append(f"L{_pair(start)}Q{_pair(corner)} {_pair(end)}")
    return "".join([*parts, f"L{_pair(points[-1])}"])


def _head(tip: Point, before: Point, style: str) -> str:
    base = _towards(tip, before, HEAD)
    across = ((base[1] - tip[1]) * 0.45, (tip[0] - base[0]) * 0.45)
    wings = ((base[0] + s * across[0], base[1] + s * across[1]) for s in (1, -1))
    return f'<polygon class="{style}" points="{" ".join(map(_pair, (tip, *wings)))}"/>'


def _towards(start: Point, end: Point, distance: float) -> Point:
    """The point at a given distance from ``start`` towards ``end``."""
    length = math.dist(start, end) or 1.0
    part = distance / length
    return start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1])


def _text(text: Text) -> str:
    anchor = f' text-anchor="{text.anchor}"' if text.anchor != "start" else ""
    return (
        f'<text class={quoteattr(text.style)} x="{_number(text.x)}" y="{_number(text.y)}"{anchor}>'
        f"{escape(text.words)}</text>"
    )


def _pair(point: Point) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    """At most two decimals, and no negative zero, so that the output is reproducible."""
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")
