"""Editor support: pure functions of a text and a place in it.

They work on unfinished texts: the parser knows the terminals that a place accepts, and names are
looked up in the AST of the mended text.
:mod:`~ffebm_dsl.tools.editor.server` alone knows of the Language Server Protocol.
"""

from ffebm_dsl.tools.editor.analysis import Analysis, Symbol, analyse, definition, symbols
from ffebm_dsl.tools.editor.complete import complete
from ffebm_dsl.tools.editor.hover import hover

__all__ = [
    "Analysis",
    "Symbol",
    "analyse",
    "complete",
    "definition",
    "hover",
    "symbols",
]
