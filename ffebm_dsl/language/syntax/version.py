"""The versions of the language."""

from __future__ import annotations

VERSIONS = ("1.0", "1.1")
"""Those that this compiler reads, in order."""

VERSION = VERSIONS[-1]
"""The present one: of a text that states none."""
