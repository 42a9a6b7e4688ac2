"""Notebooks as pages: their cells in Markdown, their pictures as files."""

from __future__ import annotations

from pathlib import Path

from nbconvert import MarkdownExporter


def notebook_files(folder: Path) -> dict[str, str | bytes]:
    """Path below docs/ -> content, of the pages and pictures of all notebooks of a folder."""
    made: dict[str, str | bytes] = {}
    for path in sorted(folder.glob("*.ipynb")):
        resources = {"unique_key": f"{path.stem}_files/figure", "output_files_dir": ""}
        text, found = MarkdownExporter().from_filename(str(path), resources=resources)
        made[f"notebooks/{path.stem}.md"] = text
        made |= {f"notebooks/{name}": data for name, data in found["outputs"].items()}
    return made
