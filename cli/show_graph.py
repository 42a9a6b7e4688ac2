"""``ffebm show --graph``: the network as an SVG picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ffebm_dsl.cli.console import say
from ffebm_dsl.cli.files import STREAM, write_text

if TYPE_CHECKING:
    from ffebm_dsl.language.ir.model import SpecIR


def write_graph(spec: SpecIR, path: Path) -> None:
    """Write the picture to ``path``; ``-`` is stdout.

    Raises:
        InputError, StorageError: as :func:`~ffebm_dsl.cli.files.write_text`.
    """
    from ffebm_dsl.tools.drawing import draw

    write_text(path, draw(spec.model, spec.hardware))
    if path != STREAM:
        say(f"wrote {path}")
