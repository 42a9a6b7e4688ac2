"""A network as a picture: SVG text from the IR alone, the same bytes for the same network.

``diagram`` says what is drawn, ``routes`` which way each connection runs, ``layout`` where
everything is, ``svg`` writes it down. No part needs a font, a browser or graphviz.
"""

from collections.abc import Sequence

from ffebm_dsl.language.ir.model import CallIR, ModelIR
from ffebm_dsl.tools.drawing.columns import print_scale
from ffebm_dsl.tools.drawing.diagram import Diagram, make_diagram
from ffebm_dsl.tools.drawing.placing import place
from ffebm_dsl.tools.drawing.scene import Scene
from ffebm_dsl.tools.drawing.svg import to_svg

__all__ = ["draw", "picture"]


def draw(model: ModelIR, hardware: Sequence[CallIR] = ()) -> str:
    """The network as an SVG document, for light and dark backgrounds, screen and print."""
    diagram, scene = picture(model, hardware)
    return to_svg(scene, diagram.title, diagram.description)


def picture(model: ModelIR, hardware: Sequence[CallIR] = ()) -> tuple[Diagram, Scene]:
    """A block's maps side by side, or below one another where that prints clearly larger."""
    diagrams = [make_diagram(model, hardware, stacked=stacked) for stacked in (False, True)]
    beside, below = ((diagram, place(diagram)) for diagram in diagrams)
    scales = [print_scale(scene.width, scene.height) for _, scene in (beside, below)]
    return below if scales[1] > 1.2 * scales[0] else beside
