"""A drawing of a network: SVG text from the IR alone, the same bytes for the same network.

``diagram`` decides what is drawn, ``routes`` the way of each connection, ``placing`` all
coordinates, and ``svg`` writes the result. No font, browser or Graphviz is needed.
"""

from collections.abc import Sequence

from ffebm_dsl.language.ir.model import CallIR, ModelIR
from ffebm_dsl.tools.drawing.diagram import make_diagram
from ffebm_dsl.tools.drawing.placing import place
from ffebm_dsl.tools.drawing.svg import to_svg

__all__ = ["draw"]


def draw(model: ModelIR, hardware: Sequence[CallIR] = ()) -> str:
    """The network as an SVG document, for light and dark backgrounds, screen and print."""
    diagram = make_diagram(model, hardware)
    return to_svg(place(diagram), diagram.title, diagram.description)
