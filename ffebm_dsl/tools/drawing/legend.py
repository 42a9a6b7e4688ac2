"""What the colours and arrows mean, in one line below the picture."""

from __future__ import annotations

from itertools import accumulate

from ffebm_dsl.tools.drawing.metrics import width
from ffebm_dsl.tools.drawing.scene import Box, Line, Text
from ffebm_dsl.tools.drawing.sizes import SMALL

ENTRIES = (
    ("map", "digital"),
    ("layer", "analog"),
    ("one-way", "one way"),
    ("symmetric", "symmetric coupling: one weight, both ways"),
)
"""Style -> words."""

_SAMPLE, _SPACE = 26.0, 16.0
"""Width of the sample before the words, and of the space behind them."""


def _breadth(words: str) -> float:
    return _SAMPLE + 6 + width(words, SMALL) + _SPACE


def legend_width() -> float:
    return sum(_breadth(words) for _, words in ENTRIES) - _SPACE


def legend(x: float, y: float) -> tuple[list[Box], list[Line], list[Text]]:
    """Samples and words from ``x`` on, the words' baseline at ``y``."""
    boxes, lines, texts = [], [], []
    starts = accumulate((_breadth(words) for _, words in ENTRIES), initial=x)
    for (style, words), start in zip(ENTRIES, starts, strict=False):
        if style in ("map", "layer"):
            radius = 6.0 if style == "layer" else 2.0
            boxes.append(Box(start + 8, y - 10, 18, 12, style, radius))
        else:
            points = ((start, y - 4), (start + _SAMPLE, y - 4))
            lines.append(Line(points, style, both=style == "symmetric"))
        texts.append(Text(start + _SAMPLE + 6, y, words, "small"))
    return boxes, lines, texts
