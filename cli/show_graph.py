"""``ffebm show --graph``: the network as an SVG picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ffebm_dsl.cli.console import say
from ffebm_dsl.language.diagnostics import InputError

if TYPE_CHECKING:
    from ffebm_dsl.language.ir.model import ModelIR


def write_graph(model: ModelIR, path: Path) -> None:
    """Write the picture to ``path``; ``-`` is stdout.

    Raises:
        InputError: ``path`` cannot be written. A full disk stays an OSError.
    """
    from ffebm_dsl.tools.drawing import draw

    picture = draw(model)
    if str(path) == "-":
        sys.stdout.write(picture)
        return
    try:
        path.write_text(picture, encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as fault:
        raise InputError(
            f"{path} cannot be written: {fault.strerror}",
            help="give the path of an .svg file, or - for stdout",
        ) from None
    say(f"wrote {path}")
