"""Hooks of MkDocs: pages that are not files of docs/, and links as the site has them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from docsite.notebooks import notebook_files
from docsite.reference import pages, with_names

ROOT = Path(__file__).parents[1]
DOCUMENTS = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
"""Page of the site -> document at the top of the tree."""

_LINKS = {
    r"\]\(docs/": "](",
    r"\]\(specs(/\w+)?\)": "](specs.md)",
    r"\]\(examples\)": "](examples.md)",
    r"\]\(LICENSE\)": "](license.md)",
    **{rf"\]\({re.escape(document)}": f"]({page}" for page, document in DOCUMENTS.items()},
}
"""Targets of links in those documents -> pages of the site."""

_FENCE = re.compile(r"^```ffe \w+$", re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Add what the tree says of itself."""
    texts = pages() | {page: _document(ROOT / name) for page, name in DOCUMENTS.items()}
    texts["license.md"] = f"# Licence\n\n```text\n{(ROOT / 'LICENSE').read_text()}```\n"
    texts["examples.md"] = _examples()
    contents = texts | notebook_files(ROOT / "examples" / "notebooks")
    for name, content in contents.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to cards in place of tables; fences without the word that a test reads."""
    if page.file.src_uri == "language.md":
        markdown = with_names(markdown)
    return _FENCE.sub("```ffe", markdown)


def _document(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    for target, link in _LINKS.items():
        text = re.sub(target, link, text)
    return text


def _examples() -> str:
    parts = ["# Examples", "Files of the folder `examples`."]
    folder = ROOT / "examples"
    for path in [*sorted(folder.glob("*.py")), *sorted((folder / "extension").rglob("*.*"))]:
        kind = {".py": "python", ".ffe": "ffe", ".toml": "toml"}.get(path.suffix)
        if kind:
            name = path.relative_to(folder).as_posix()
            parts.append(
                f"## {name}\n\n```{kind}\n{path.read_text(encoding='utf-8').rstrip()}\n```"
            )
    return "\n\n".join(parts) + "\n"
