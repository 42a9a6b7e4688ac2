"""Figures as inline SVG that uses the colours and the font of its HTML page.

Figures are drawn by Matplotlib; its output is then parsed and rewritten without namespaces, with
ids that are unique in the page, and with colours replaced by CSS variables, so that figures are
legible on dark and light pages. Text remains text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from ffebm_dsl.tools.report.text import printable

SERIES = 8
"""Number of colours for series; further series repeat them with other line styles."""

INK, FAINT = "#fe00f0", "#fe00f1"
_VARIABLES = {INK: "var(--ink)", FAINT: "var(--faint)"} | {
    f"#fe000{k}": f"var(--series-{k})" for k in range(SERIES)
}
"""Placeholder colours -> the CSS variables that replace them."""

DASHES = ("-", "--", ":", "-.")

PANEL = (3.0, 2.15)
"""Width and height of a panel, inches; the page scales it."""

LEFT, RIGHT = 0.55, 0.1
"""Margins of a panel, inches."""

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "lines.linewidth": 1.3,
    "axes.formatter.limits": (-3, 4),
    "path.simplify": True,
}


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption; ``alt`` describes it in words."""

    svg: Markup
    caption: str
    alt: str


class Artist:
    """Draws the figures of one page, with ids that are unique in it."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def draw(
        self,
        plot: Callable[[Axes], None],
        *,
        alt: str,
        caption: str = "",
        size: tuple[float, float] = PANEL,
        left: float = LEFT,
        right: float = RIGHT,
    ) -> Figure:
        """One pair of axes, filled by ``plot``.

        The margins are ``left`` inches for the labels of y, and ``right`` inches for the half of
        the last label of x that may extend beyond the axis.
        """
        name = f"f{next(self._numbers)}"
        content = io.BytesIO()
        with rc_context({**_SETTINGS, "svg.hashsalt": name}):
            canvas = Canvas(figsize=size)
            # Fixed margins: a layout engine would double the time of a drawing.
            width, height = size
            bottom, top = 0.42, 0.38
            inner = (width - left - right) / width, (height - bottom - top) / height
            plot(canvas.add_axes((left / width, bottom / height, *inner)))
            nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            canvas.savefig(content, format="svg", metadata=nothing)
        root = ElementTree.fromstring(content.getvalue())
        return Figure(Markup("".join(_write(root, name, printable(alt)))), caption, alt)


def colour(index: int) -> str:
    """The colour of a series, for Matplotlib."""
    return f"#fe000{index % SERIES}"


def line_style(index: int, points: int) -> dict[str, Any]:
    """Arguments of ``Axes.plot`` for the line of a series: solid for the first ``SERIES``.

    A line of few ``points`` has markers: through a single one it would be invisible.
    """
    dash = DASHES[index // SERIES % len(DASHES)]
    marker = "o" if points <= 40 else ""
    return {"color": colour(index), "linestyle": dash, "marker": marker, "markersize": 2.5}


def log_axis(ax: Axes, direction: str, values: NDArray[Any]) -> None:
    """Make the axis ``x`` or ``y`` logarithmic if there are positive values."""
    shown = values[np.isfinite(values) & (values > 0)]
    if not shown.size:
        return
    ax.set(**{f"{direction}scale": "log"})
    axis = ax.xaxis if direction == "x" else ax.yaxis
    wide = shown.max() / shown.min() > 30
    axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    axis.set_minor_formatter(NullFormatter())


def _power(value: float) -> str:
    """``1e-4``, ``0.02``, ``50``."""
    if 1e-2 <= value < 1e4:
        return f"{value:g}"
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def _write(root: ElementTree.Element, name: str, alt: str) -> Iterator[str]:
    """The tree as HTML. Ids are prefixed with ``name``; ``alt`` is the label of the root."""
    view = quoteattr(root.attrib["viewBox"])
    label = f"{name}-alt"
    yield f'<svg viewBox={view} role="img" aria-labelledby="{label}">'
    yield f'<title id="{label}">{escape(alt)}</title>'
    for child in root:
        yield from _element(child, name)
    yield "</svg>"


_DROPPED = frozenset({"metadata", "style", "title"})
"""Removed elements; a style sheet here would apply to the whole page."""


def _element(element: ElementTree.Element, name: str) -> Iterator[str]:
    tag = _local(element.tag)
    if tag in _DROPPED:
        return
    attributes = "".join(
        f" {_local(key)}={quoteattr(_value(_local(key), value, name))}"
        for key, value in element.attrib.items()
    )
    yield f"<{tag}{attributes}>"
    yield escape(element.text or "")
    for child in element:
        yield from _element(child, name)
        yield escape(child.tail or "")
    yield f"</{tag}>"


def _local(qualified: str) -> str:
    return qualified.rpartition("}")[2]


def _value(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    value = re.sub(r"url\(#", f"url(#{name}-", value)
    for sentinel, variable in _VARIABLES.items():
        value = value.replace(sentinel, variable)
    return value
