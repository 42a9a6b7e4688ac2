"""The version of the language that this compiler reads and writes."""

from __future__ import annotations

VERSION = "1.0"
