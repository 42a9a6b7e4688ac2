"""A network as a picture: SVG text from the IR alone, the same bytes for the same network.

``diagram`` says what is drawn, ``routes`` which way each connection runs, ``placing`` where
everything is, ``svg`` writes it down. No part needs a font, a browser or graphviz.
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
