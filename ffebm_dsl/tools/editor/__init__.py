"""What an editor asks of a spec: pure functions from a text and a place to an answer.

They work on half-written texts: what stands at a place is read off the tokens, and only
shapes, counts and diagnostics need the compiler. :mod:`~ffebm_dsl.tools.editor.server` puts them
behind the Language Server Protocol, and is the only part that knows of it.
"""

from ffebm_dsl.tools.editor.analysis import Analysis, analyse
from ffebm_dsl.tools.editor.complete import Completion, complete
from ffebm_dsl.tools.editor.hover import Hover, hover
from ffebm_dsl.tools.editor.names import Symbol, definition, symbols

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
