"""YAML and JSON texts <-> plain data, with the place of every value.

Only what plain data needs is read: mappings with text keys, lists, texts, numbers, truth
values, null. Numbers and truth values of YAML are those of YAML 1.2, so that a JSON text is
read the same either way. Aliases, tags and whatever else could make a small text large, or
run something, are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.ir.resolve.scope import out_of_range, real
from ffebm_dsl.language.ir.restate import pointer_to

DEEPEST = 64
"""Nesting that is read; a document of the format needs a dozen levels."""

MOST_TOKENS = 30_000
"""Tokens of YAML that are read, in half a second. What ``write_yaml`` makes of a spec has 20,000
of them when it is as large as a file may be; 64 KiB of brackets alone would have 90,000."""

_LONGEST_NUMBER = 400
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Document:
    """The data of a text, and the offset of each value by its JSON pointer."""

    source: SourceFile
    data: Any
    offsets: Mapping[str, int]

    def offset(self, pointer: str) -> int:
        """Where the value at ``pointer`` is, or the nearest one around it."""
        while pointer and pointer not in self.offsets:
            pointer = pointer.rpartition("/")[0]
        return self.offsets.get(pointer, 0)

    def fault(self, pointer: str, message: str, help: str = "") -> InputError:
        """The error that something is wrong at ``pointer``, with line and pointer."""
        line, _ = self.source.position(self.offset(pointer))
        return InputError(f"{self.source.name}:{line}: {pointer or '/'}: {message}", help=help)


def read_yaml(source: SourceFile) -> Document:
    """Raises InputError, with the line, for what is no YAML or no plain data."""
    return _read(source, source.text, "YAML")


def read_json(source: SourceFile) -> Document:
    """Raises InputError, with the line, for what is no JSON or has a key twice.

    What is JSON is YAML 1.2 too: the YAML reader finds the places and holds the limits.
    """
    try:
        # Numbers stay text here: the YAML reader knows their limits.
        json.loads(source.text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except json.JSONDecodeError as fault:
        raise InputError(f"{source.name}:{fault.lineno}: not JSON: {fault.msg}") from None
    except RecursionError:
        raise InputError(f"{source.name}: nested too deep") from None
    except ValueError as fault:
        found = next(m for m in _STRING_OR_CONSTANT.finditer(source.text) if m.group(1))
        line, _ = source.position(found.start())
        raise InputError(f"{source.name}:{line}: not JSON: {fault}") from None
    # PyYAML takes no tabs between words; inside its strings JSON has none.
    document = _read(source, source.text.replace("\t", " "), "JSON")
    return replace(document, data=json.loads(source.text))


_STRING_OR_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|(-?Infinity|NaN)')


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _read(source: SourceFile, text: str, language: str) -> Document:
    try:
        node = yaml.compose(text, Loader=_Loader)
    except _TooMuch as fault:
        raise InputError(f"{source.name}:{fault.line}: {fault}") from None
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        raise InputError(f"{source.name}:{line}: not {language}: {fault.problem}") from None
    except yaml.YAMLError as fault:
        raise InputError(f"{source.name}: not {language}: {' '.join(str(fault).split())}") from None
    except RecursionError:
        raise InputError(f"{source.name}: nested too deep") from None
    reader = _Reader(source)
    return Document(source, reader.of_node(node, "") if node else None, reader.offsets)


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

    def scan_flow_scalar_non_spaces(self, double: bool, start_mark: yaml.Mark) -> list[str]:
        """Refuse escapes beyond the last character of Unicode, of which the library's own
        reader makes an error of Python."""
        try:
            return super().scan_flow_scalar_non_spaces(double, start_mark)
        except (ValueError, OverflowError):
            what = "an escape of no character of Unicode"
            raise yaml.scanner.ScannerError(None, None, what, self.get_mark()) from None

    def fetch_more_tokens(self) -> None:
        if self.tokens_taken > MOST_TOKENS:
            raise _TooMuch(f"more than {MOST_TOKENS} words and signs", self.get_mark())
        super().fetch_more_tokens()


_TAG = "tag:yaml.org,2002:"
for _kind, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", _NUMBER.pattern, "-0123456789"),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"^(?:{_pattern})$"), [*_first])


@dataclass
class _Reader:
    """Builds the data of one text and notes the place of every value."""

    source: SourceFile
    offsets: dict[str, int] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def _note(self, pointer: str, offset: int) -> None:
        self.offsets[pointer] = offset
        if pointer.count("/") > DEEPEST:
            raise self._fault(pointer, "nested too deep")

    def _fault(self, pointer: str, message: str, help: str = "") -> InputError:
        return Document(self.source, None, self.offsets).fault(pointer, message, help)

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
            if key.value in data:
                self._note(inside, key.start_mark.index)
                raise self._fault(inside, f"`{key.value}` is given twice")
            data[self._text(key.value, inside)] = self.of_node(value, inside)
            # A message about an entry points to its key.
            self.offsets[inside] = key.start_mark.index
        return data

    def _scalar(self, node: yaml.ScalarNode, pointer: str) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind == "str":
            return self._text(node.value, pointer)
        if kind in ("int", "float"):
            return self._number(node.value, kind, pointer)
        if kind == "bool" and node.value in ("true", "false"):
            return node.value == "true"
        if kind == "null":
            return None
        raise self._fault(pointer, f"a value of the kind {node.tag} is not read")

    def _text(self, value: str, pointer: str) -> str:
        """The text with pairs of surrogates joined, as JSON escapes what is beyond U+FFFF."""
        try:
            return value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self._fault(pointer, "half of a surrogate pair is not a character") from None

    def _number(self, text: str, kind: str, pointer: str) -> int | float:
        try:
            if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
                raise ValueError
            value = int(text) if kind == "int" else real(text)
        except ValueError:
            raise self._fault(pointer, "this is not a number that can be read") from None
        trouble = out_of_range(value)
        if trouble is not None:
            raise self._fault(pointer, *trouble)
        return value
