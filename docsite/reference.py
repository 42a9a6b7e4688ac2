"""Pages that the tree writes itself: constructs, diagnostics, commands, the bundled specs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any

import typer

from ffebm_dsl.cli.main import app
from ffebm_dsl.cli.specs import bundled
from ffebm_dsl.language.diagnostics.diagnostic import CODES
from ffebm_dsl.language.registry import HARDWARE, TABLES, TRAIN
from ffebm_dsl.language.registry.card import card, describe_parameter

_MARKED = re.compile(r"<!-- table: (\w+) -->\n\n((?:\|.*\n)+)")


def pages() -> dict[str, str]:
    """Path below docs/ -> Markdown, of every generated page."""
    made = {f"constructs/{name}.md": _table_page(name) for name in TABLES}
    made["constructs/index.md"] = _table_index()
    made |= {f"diagnostics/{code}.md": CODES.page(code) for code in CODES}
    made["diagnostics/index.md"] = _code_index()
    made["options.md"] = _options()
    made["specs.md"] = _specs()
    return made


def names(table: str) -> str:
    """The constructs of a table as links to their cards, on one line."""
    entries = TABLES[table].visible()
    return ", ".join(f"[`{name}`](constructs/{table}.md#{name})" for name in entries)


def _table_page(name: str) -> str:
    table = TABLES[name]
    cards = (_demoted(card(entry, table)) for entry in table.visible().values())
    return f"# {name.capitalize()}\n\n" + "\n\n".join(cards) + "\n"


def _demoted(text: str) -> str:
    """A card as a section of a page: its heading one level down, and the bare name."""
    name = text.removeprefix("# ").partition(":")[0]
    lines = text.partition("\n")[2].split("\n")
    return f"## {name} {{ #{name} }}\n" + "\n".join(map(_as_written, lines))


def _as_written(line: str) -> str:
    """An equation with its ``<``, ``*`` and ``_`` as they are, which Markdown would read."""
    label, colon, equation = line.partition(": ")
    if label != "Equation" or not colon:
        return line
    return f'<p>Equation: <code class="equation">{escape(equation)}</code></p>'


def _table_index() -> str:
    lines = ["# Constructs", "", "All that a spec can name. `ffebm explain NAME` prints the same."]
    for name, table in TABLES.items():
        links = names(name).replace("constructs/", "")
        lines += [
            "",
            f"## {name.capitalize()}",
            "",
            f"[All {len(table.visible())}]({name}.md): {links}",
        ]
    for title, keys in (("Keys of `train`", TRAIN), ("Keys of `hardware`", HARDWARE)):
        lines += ["", f"## {title}", "", *(f"- {describe_parameter(p)}" for p in keys.parameters)]
    return "\n".join(lines) + "\n"


def _code_index() -> str:
    rows = [f"| [`{code}`]({code}.md) | {title} |" for code, title in CODES.items()]
    head = ["# Diagnostics", "", "`ffebm explain CODE` prints the same pages.", ""]
    return "\n".join([*head, "| code | meaning |", "|---|---|", *rows]) + "\n"


def _options() -> str:
    parts = ["# Commands and options", "`ffebm COMMAND --help` prints the same."]
    parts += ["\n\n".join(_command(name, command)) for name, command in commands().items()]
    return "\n\n".join(parts) + "\n"


def commands() -> dict[str, Any]:
    """All commands by their names, those of groups one by one: ``data fetch``."""
    return dict(_below(typer.main.get_command(app), ""))


def _below(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    context = group.make_context(prefix, [], resilient_parsing=True)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from _below(command, f"{prefix}{name} ")
        elif not command.hidden:
            yield f"{prefix}{name}", command


def _command(name: str, command: Any) -> Iterator[str]:
    context = command.make_context(f"ffebm {name}", [], resilient_parsing=True)
    yield f"## ffebm {name}"
    yield f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```"
    yield re.sub(r"[ \t]+", " ", (command.help or "").replace("\b", "").strip())
    records = (p.get_help_record(context) for p in command.params if p.name != "help")
    rows = [f"| {_code(r[0])} | {_cell(r[1])} |" for r in records if r]
    if rows:
        yield "\n".join(["| argument or option | meaning |", "|---|---|", *rows])


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _specs() -> str:
    parts = ["# Bundled specs", "`ffebm specs copy NAME` copies one."]
    parts += [f"## {name}\n\n```ffe\n{text.rstrip()}\n```" for name, text in bundled().items()]
    return "\n\n".join(parts) + "\n"


def with_names(text: str) -> str:
    """The page with links to cards in place of each table of constructs."""
    return _MARKED.sub(lambda m: f"{names(m[1])}\n" if m[1] in TABLES else m[2], text)
