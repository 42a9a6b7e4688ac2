"""What is said about a syntax error, by the state of the parser and the token found.

The messages are in ``grammar/messages/*.ffe``, each above a snippet that brings it about::

    #! message: a layer needs `:` and its shape after its name: `layer s1: [16] tanh`
    model m { block b { energy hopfield { layer s1 [16] tanh } } }

``#! note:`` adds a note. A message is for any token at its place; ``#! only: this word``
narrows it to the kind of token that the snippet has there. The text between one `#! message:`
and the next is the snippet. Numbers of parser states differ between builds, so the map is
made from the snippets, once per parser, when the first syntax error asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from ffebm_dsl.language.syntax.acceptance import Acceptance, Situation, Stack, acceptance
from ffebm_dsl.language.syntax.grammar import END
from ffebm_dsl.language.syntax.lexer import code_tokens, lex

ANY = "any"
"""Every kind of token."""

_ENTRY = re.compile(r"^#! message: (?P<message>.+)\n(?P<rest>(?:(?!#! message:).*(?:\n|$))*)", re.M)
_FIELD = re.compile(r"^#! (?P<key>note|only): (?P<value>.+)\n", re.M)


class Message(NamedTuple):
    """A message and the snippet that brings it about; ``place`` is ``file.ffe:line``."""

    text: str
    note: str
    snippet: str
    narrow: bool
    place: str


class Key(NamedTuple):
    """Where a message belongs: the parser's place and the kind of token found, or `ANY`."""

    situation: Situation
    kind: str


def read_messages() -> Iterator[Message]:
    """Every entry of the files, in order."""
    folder = files("ffebm_dsl.grammar").joinpath("messages")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".ffe"):
            continue
        text = file.read_text(encoding="utf-8")
        for entry in _ENTRY.finditer(text):
            fields = {m["key"]: m["value"] for m in _FIELD.finditer(entry["rest"])}
            snippet = _FIELD.sub("", entry["rest"])
            place = f"{file.name}:{text.count(chr(10), 0, entry.start()) + 1}"
            yield Message(
                entry["message"], fields.get("note", ""), snippet, "only" in fields, place
            )


def key_of(message: Message, walked: Acceptance) -> Key:
    """Where the parser stops in the snippet of ``message``.

    Raises ValueError where it does not stop.
    """
    tokens = code_tokens(lex(message.snippet))
    stack: Stack = walked.start
    for at in range(len(tokens)):
        kind = walked.kind_of(stack, tokens, at)
        stepped = walked.step(stack, kind)
        if stepped is None:
            return Key(walked.situation(stack), kind if message.narrow else ANY)
        if kind == END:
            break
        stack = stepped
    raise ValueError(f"{message.place}: the snippet has no syntax error")


@lru_cache(maxsize=1)
def message_table() -> Mapping[Key, Message]:
    """Every message by where it belongs."""
    walked = acceptance("start")
    return {key_of(message, walked): message for message in read_messages()}


def message_for(situation: Situation, kind: str) -> Message | None:
    """The message for a token of this kind at this place, if there is one."""
    table = message_table()
    return table.get(Key(situation, kind)) or table.get(Key(situation, ANY))
