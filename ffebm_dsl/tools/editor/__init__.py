"""What an editor asks of a spec: pure functions from a text and a place to an answer.

They work on half-written texts: what can be written at a place, the parser says, and what a
name refers to is read off the AST of the mended text.
:mod:`~ffebm_dsl.tools.editor.server` alone knows of the Language Server Protocol.
"""

from ffebm_dsl.tools.editor.analysis import Analysis, Symbol, analyse, definition, symbols
from ffebm_dsl.tools.editor.complete import Completion, complete
from ffebm_dsl.tools.editor.hover import Hover, hover

__all__ = [
    "Analysis",
    "Completion",
    "Hover",
    "Symbol",
    "analyse",
    "complete",
    "definition",
    "hover",
    "symbols",
]
