"""The table of subcommands, each imported only when it is called or listed.

A command that is not called costs a start nothing, however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS: Mapping[str, str] = {
    "train": "train:train",
    "sweep": "sweep:sweep",
    "compare": "compare:compare",
    "verify": "verify:verify",
    "check": "check:check",
    "eval": "eval:evaluate",
    "predict": "predict:predict",
    "export": "export:export",
    "show": "show:show",
    "fmt": "fmt:fmt",
    "bench": "bench:bench",
    "cost": "cost:cost",
    "explain": "explain:explain",
    "report": "report:report",
    "diff": "diff:diff",
    "data": "data:app",
    "lsp": "lsp:lsp",
    "new": "new:new",
    "specs": "specs:app",
    "convert": "convert:convert",
    "schema": "schema:schema",
    "migrate": "migrate:migrate",
}
"""Name -> ``module:object`` in ``ffebm_dsl.cli``, in the order that the help lists them.

The object is the command's function, or the ``typer.Typer`` of a command that has
subcommands of its own.
"""


class _Loading(dict[str, Any]):
    """Click commands by name; one that is not there yet is imported when it is asked for."""

    def __missing__(self, name: str) -> Any:
        self[name] = load(name)
        return self[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in COMMANDS else default

    def keys(self) -> Any:
        return COMMANDS.keys()


class Commands(TyperGroup):
    """The group of all subcommands of :data:`COMMANDS`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Loading()

    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS]


def load(name: str) -> Any:
    """The Click command of this name; its module is imported now."""
    module, attribute = COMMANDS[name].split(":")
    found = getattr(import_module(f"ffebm_dsl.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        group = get_command(found)
        group.name = name
        return group
    app = new_app()
    app.command(name)(found)
    return get_command(app)


def new_app(**settings: Any) -> typer.Typer:
    """A Typer as all of ours are: plain help text, for rich would cost every start 0.1 s."""
    return typer.Typer(
        no_args_is_help=not settings.get("invoke_without_command", False),
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        add_completion=False,
        **settings,
    )
