"""``ffebm lsp``: the language server, for editors."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer


def lsp(
    stdio: Annotated[
        bool,
        typer.Option(
            "--stdio",
            show_default=False,
            help="Serve over stdin and stdout, the only transport; clients pass this option.",
        ),
    ] = True,
) -> None:
    """Serve editors over stdin and stdout; see docs/editors.md. Started by an editor."""
    from ffebm_dsl import __version__
    from ffebm_dsl.cli.files import standard_input
    from ffebm_dsl.tools.editor.server import make_server

    # The server closes what it writes to when it ends; the process's own stdout stays open.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    make_server(__version__).start_io(stdin=standard_input(), stdout=out)
