"""Messages to the user: source spans, diagnostics, their rendering, and errors.

Nothing in this package imports torch or any other package of ffebm.
"""

from ffebm_dsl.language.diagnostics.diagnostic import Diagnostic, Label, Severity
from ffebm_dsl.language.diagnostics.errors import (
    FfebmError,
    InputError,
    NegativeResult,
    PeerLost,
    SpecError,
    Stopped,
    StorageError,
    cannot_write,
)
from ffebm_dsl.language.diagnostics.fix import Edit, Fix
from ffebm_dsl.language.diagnostics.render import Piece, Role, in_words, pieces, render, to_record
from ffebm_dsl.language.diagnostics.source import AnyPath, SourceFile, Span, form_of

__all__ = [
    "AnyPath",
    "Diagnostic",
    "Edit",
    "FfebmError",
    "Fix",
    "InputError",
    "Label",
    "NegativeResult",
    "PeerLost",
    "Piece",
    "Role",
    "Severity",
    "SourceFile",
    "Span",
    "SpecError",
    "Stopped",
    "StorageError",
    "cannot_write",
    "form_of",
    "in_words",
    "pieces",
    "render",
    "to_record",
]
