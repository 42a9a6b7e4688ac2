"""The elements of a drawing, with coordinates in pixels, y downwards."""

from __future__ import annotations

from typing import NamedTuple

Point = tuple[float, float]


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
