"""YAML and JSON texts <-> plain data, with the place of every value.

Only what plain data needs is read: mappings with text keys, lists, texts, numbers, truth
values, null. Numbers and truth values of YAML are those of YAML 1.2, so that a JSON text is
read the same either way. Aliases, tags and whatever else could make a small text large, or
run something, are refused.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from ffebm_dsl.language.diagnostics import InputError, SourceFile

DEEPEST = 64
"""Nesting that is read; a document of the format needs a dozen levels."""

MOST_TOKENS = 30_000
"""Tokens of YAML that are read, in half a second. What ``write_yaml`` makes of a spec has 20,000
of them when it is as large as a file may be; 64 KiB of brackets alone would have 90,000."""

_LONGEST_NUMBER = 400


@dataclass(frozen=True)
class Document:
    """What a text says, and the offset at which each value stands by its JSON pointer."""

    source: SourceFile
    data: Any
    offsets: Mapping[str, int]

    def offset(self, pointer: str) -> int:
        """Where the value at ``pointer`` stands, or the nearest one around it."""
        while pointer and pointer not in self.offsets:
            pointer = pointer.rpartition("/")[0]
        return self.offsets.get(pointer, 0)

    def fault(self, pointer: str, message: str, help: str = "") -> InputError:
        """The error that something is wrong at ``pointer``, with line and pointer."""
        line, _ = self.source.position(self.offset(pointer))
        return InputError(f"{self.source.name}:{line}: {pointer or '/'}: {message}", help=help)


def pointer_to(parent: str, key: str | int) -> str:
    """The JSON pointer (RFC 6901) of an entry of what ``parent`` points to."""
    return f"{parent}/{str(key).replace('~', '~0').replace('/', '~1')}"


def read_yaml(source: SourceFile) -> Document:
    """Raises InputError, with the line, for what is no YAML or no plain data."""
    try:
        node = yaml.compose(source.text, Loader=_Loader)
    except _TooMuch as fault:
        raise InputError(f"{source.name}:{fault.line}: {fault}") from None
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        raise InputError(f"{source.name}:{line}: not YAML: {fault.problem}") from None
    except yaml.YAMLError as fault:
        raise InputError(f"{source.name}: not YAML: {' '.join(str(fault).split())}") from None
    except RecursionError:
        raise InputError(f"{source.name}: nested too deep") from None
    reader = _Reader(source)
    return Document(source, reader.of_node(node, "") if node else None, reader.offsets)


def read_json(source: SourceFile) -> Document:
    """Raises InputError, with the line, for what is no JSON or has a key twice."""
    reader = _Reader(source)
    try:
        data, end = reader.of_json(0, "")
        if source.text[end:].strip():
            raise json.JSONDecodeError("more follows the value", source.text, end)
    except json.JSONDecodeError as fault:
        raise InputError(f"{source.name}:{fault.lineno}: not JSON: {fault.msg}") from None
    return Document(source, data, reader.offsets)


def write_yaml(data: Any) -> str:
    return yaml.safe_dump(
        data, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
    )


def write_json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


class _TooMuch(yaml.YAMLError):
    """Reading on would take long; the text is given up at this line (from 1)."""

    def __init__(self, what: str, mark: yaml.Mark) -> None:
        super().__init__(what)
        self.line = mark.line + 1


class _Loader(yaml.SafeLoader):
    """The safe loader with the numbers and truth values of YAML 1.2.

    It is the one in Python, wherever PyYAML has another one: the two differ in what they
    refuse, and a text must mean the same everywhere.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the library's own shape

    def fetch_flow_collection_start(self, token_class: type[yaml.Token]) -> None:
        """Refuse deep nesting at once: with each bracket that is open, a token takes longer."""
        if self.flow_level > DEEPEST:
            raise _TooMuch("nested too deep", self.get_mark())
        super().fetch_flow_collection_start(token_class)

    def fetch_more_tokens(self) -> None:
        if self.tokens_taken > MOST_TOKENS:
            raise _TooMuch(f"more than {MOST_TOKENS} words and signs", self.get_mark())
        super().fetch_more_tokens()


_TAG = "tag:yaml.org,2002:"
for _kind, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", "-0123456789"),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"^(?:{_pattern})$"), [*_first])


@dataclass
class _Reader:
    """Builds the data of one text and notes where everything stands."""

    source: SourceFile
    offsets: dict[str, int] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def _note(self, pointer: str, offset: int) -> None:
        self.offsets[pointer] = offset
        if pointer.count("/") > DEEPEST:
            raise self._fault(pointer, "nested too deep")

    def _fault(self, pointer: str, message: str) -> InputError:
        return Document(self.source, None, self.offsets).fault(pointer, message)

    def of_node(self, node: yaml.Node, pointer: str) -> Any:
        self._note(pointer, node.start_mark.index)
        if id(node) in self.seen:
            raise self._fault(pointer, "aliases are not read: write the value out")
        self.seen.add(id(node))
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            entries = enumerate(node.value)
            return [self.of_node(entry, pointer_to(pointer, i)) for i, entry in entries]
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, pointer)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, pointer)
        raise self._fault(pointer, f"a value of the kind {node.tag} is not read")

    def _mapping(self, node: yaml.MappingNode, pointer: str) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._note(pointer, key.start_mark.index)
                raise self._fault(pointer, "a key is a word")
            inside = pointer_to(pointer, key.value)
            self._check_once(data, key.value, inside, key.start_mark.index)
            data[key.value] = self.of_node(value, inside)
            # A message about an entry points to its key, as for JSON.
            self.offsets[inside] = key.start_mark.index
        return data

    def _check_once(self, data: dict[str, Any], key: str, pointer: str, offset: int) -> None:
        if key in data:
            self._note(pointer, offset)
            raise self._fault(pointer, f"`{key}` is given twice")

    def _scalar(self, node: yaml.ScalarNode, pointer: str) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind == "str":
            return node.value
        if kind in ("int", "float"):
            return self._number(node.value, kind, pointer)
        if kind == "bool" and node.value in ("true", "false"):
            return node.value == "true"
        if kind == "null":
            return None
        raise self._fault(pointer, f"a value of the kind {node.tag} is not read")

    def _number(self, text: str, kind: str, pointer: str) -> int | float:
        try:
            if len(text) > _LONGEST_NUMBER:
                raise ValueError
            value = int(text) if kind == "int" else float(text)
        except ValueError:
            raise self._fault(pointer, "this is not a number that can be read") from None
        if abs(value) > sys.float_info.max:  # an int of 310 digits has no float to be asked
            raise self._fault(pointer, "this number is too large")
        return value

    def of_json(self, at: int, pointer: str) -> tuple[Any, int]:
        """The value that begins at or behind ``at``, and where it ends."""
        text = self.source.text
        at = _skip(text, at)
        self.offsets.setdefault(pointer, at)
        self._note(pointer, self.offsets[pointer])
        if text.startswith("{", at):
            return self._json_object(at + 1, pointer)
        if text.startswith("[", at):
            return self._json_array(at + 1, pointer)
        number = _JSON_NUMBER.match(text, at)
        if number:
            kind = "float" if number.group(1) else "int"
            return self._number(number.group(), kind, pointer), number.end()
        try:
            return _JSON_WORD.raw_decode(text, at)
        except json.JSONDecodeError:
            raise
        except ValueError as fault:
            raise json.JSONDecodeError(str(fault), text, at) from None

    def _json_array(self, at: int, pointer: str) -> tuple[list[Any], int]:
        data: list[Any] = []
        at = _skip(self.source.text, at)
        while not self.source.text.startswith("]", at):
            at = self._separator(at, bool(data))
            value, at = self.of_json(at, pointer_to(pointer, len(data)))
            data.append(value)
            at = _skip(self.source.text, at)
        return data, at + 1

    def _json_object(self, at: int, pointer: str) -> tuple[dict[str, Any], int]:
        text, data = self.source.text, dict[str, Any]()
        at = _skip(text, at)
        while not text.startswith("}", at):
            at = _skip(text, self._separator(at, bool(data)))
            if not text.startswith('"', at):
                raise json.JSONDecodeError("a key in double quotes is missing", text, at)
            key, end = _JSON_WORD.raw_decode(text, at)
            inside = pointer_to(pointer, key)
            self._check_once(data, key, inside, at)
            self.offsets[inside] = at
            end = _skip(text, end)
            if not text.startswith(":", end):
                raise json.JSONDecodeError("`:` is missing behind a key", text, end)
            data[key], at = self.of_json(end + 1, inside)
            at = _skip(text, at)
        return data, at + 1

    def _separator(self, at: int, needed: bool) -> int:
        if not needed:
            return at
        if not self.source.text.startswith(",", at):
            raise json.JSONDecodeError("`,` or the end of the bracket is missing",
                                       self.source.text, at)  # fmt: skip
        return at + 1


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)((?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)")
_JSON_WORD = json.JSONDecoder(parse_constant=_refuse)
_JSON_SPACE = re.compile(r"[ \t\r\n]*")


def _skip(text: str, at: int) -> int:
    space = _JSON_SPACE.match(text, at)
    return space.end() if space else at
