"""A reader of the pickles that data sets come in: arrays, numbers, text, lists, dictionaries.

A pickle is a program, and Python's own reader runs it. This one is another machine for the
same instructions: it knows those that data need, imports nothing, calls nothing, and knows
six names, which stand for what it does itself (make a type, make an array, take text as
bytes). Any other name or instruction is an error with its place in the file. A length is
compared with what is left of the file before anything of that length is made, and arrays
are views of the file's own bytes. Protocols 1 to 5, as written by Python 2 and 3.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.datasets.pickled_arrays import (
    NAMES,
    Name,
    PendingArray,
    PendingType,
    call,
    set_state,
)
from ffebm_dsl.running.datasets.raw import damaged

MAX_BYTES = 1 << 31
"""The largest batch in use has 0.4 GB; a bound for what is read into memory."""

SHORT = 256
"""Byte strings up to here are copied; longer ones stay views of the file."""


class _Mark(Enum):
    MARK = 0


def read_pickle(path: Path) -> dict[str, Any]:
    """The dictionary that a pickle holds, by text keys.

    Values are arrays (read-only), numbers, text, bytes and lists of these.

    Raises:
        InputError: unreadable, too large, cut off, not a dictionary, or with anything in it
            that is not data; with the byte at which that is.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise damaged(f"{path} has {size} bytes, more than any batch of a data set")
        content = path.read_bytes()
    except OSError as error:
        raise damaged(f"{path} cannot be read: {error.strerror}") from error
    found = Machine(path, content).run()
    if not isinstance(found, dict):
        raise damaged(f"{path} holds a {type(found).__name__}, not a dictionary")
    return {key: _finished(path, key, value) for key, value in found.items()}


def _finished(path: Path, key: str, value: Any) -> Any:
    if not isinstance(value, PendingArray | PendingType | Name):
        return value
    if isinstance(value, PendingArray) and value.values is not None:
        return value.values
    raise damaged(f"{path}: the value of {key!r} is an unfinished array or type")


class Machine:
    """A stack, a memo, and a place in the file."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.content = path, memoryview(content)
        self.position = self.start = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.encoded = 0

    def run(self) -> Any:
        """The value that the program leaves."""
        while True:
            self.start = self.position
            code = self.take(1)[0]
            if code == ord("."):
                value = self.pop()
                if self.stack:
                    self.fault("values are left over at the end")
                if self.position != len(self.content):
                    self.start = self.position
                    self.fault("the file goes on after its end")
                return value
            step = INSTRUCTIONS.get(code)
            if step is None:
                self.fault(f"instruction {bytes([code])!r} is not one of data")
            step(self)

    def fault(self, what: str) -> NoReturn:
        raise InputError(
            f"{self.path}, byte {self.start}: {what}",
            help="only pickles of plain arrays are read, and nothing in them is run; "
            "fetch the file again",
        )

    def take(self, count: int) -> memoryview:
        """The next bytes of the file."""
        left = len(self.content) - self.position
        if count > left:
            self.fault(f"{count} bytes are announced, and the file ends after {left}")
        self.position += count
        return self.content[self.position - count : self.position]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self, length: int) -> str:
        try:
            return str(self.take(length), "utf-8", "surrogatepass")
        except UnicodeDecodeError:
            self.fault("text is not UTF-8")

    def line(self) -> str:
        ahead = self.content[self.position : self.position + SHORT].tobytes()
        ends = ahead.find(b"\n")
        if ends < 0 and len(ahead) == SHORT:
            self.fault("a name does not end")
        # Where the file ends first, this asks for one byte too many.
        line = self.take(ends + 1 if ends >= 0 else len(ahead) + 1)
        return str(line[:-1], "ascii", "replace")

    def blob(self, length: int) -> bytes | memoryview:
        if length < 0:
            self.fault("a length is negative")
        view = self.take(length)
        return view.tobytes() if length <= SHORT else view

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _Mark.MARK:
            self.fault("a value is missing")
        return self.stack.pop()

    def above_mark(self) -> list[Any]:
        """All values above the last mark, which goes too."""
        place = len(self.stack) - 1
        while place >= 0 and self.stack[place] is not _Mark.MARK:
            place -= 1
        if place < 0:
            self.fault("a mark is missing")
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    def top(self, kind: type[Any]) -> Any:
        """The value on top, which stays, and must be of this kind."""
        value = self.pop()
        if type(value) is not kind:
            self.fault(f"a {kind.__name__} is wanted here")
        self.push(value)
        return value


def _set_items(machine: Machine, items: list[Any]) -> None:
    found: dict[str, Any] = machine.top(dict)
    if len(items) % 2:
        machine.fault("a key has no value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if isinstance(key, bytes):
            key = key.decode("latin-1")
        if not isinstance(key, str):
            machine.fault("a key is not text")
        found[key] = value


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _set_items(machine, [key, value])


def _append(machine: Machine) -> None:
    value = machine.pop()
    machine.top(list).append(value)


def _append_all(machine: Machine) -> None:
    values = machine.above_mark()
    machine.top(list).extend(values)


def _make_dict(machine: Machine) -> None:
    values = machine.above_mark()
    machine.push({})
    _set_items(machine, values)


def _tuple_of(count: int) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        machine.push(tuple([machine.pop() for _ in range(count)][::-1]))

    return step


def _keep(form: str | None) -> Callable[[Machine], None]:
    """Remember the value on top, under a number from the file or the next one."""

    def step(machine: Machine) -> None:
        number = len(machine.memo) if form is None else machine.number(form)
        value = machine.pop()
        machine.push(value)
        machine.memo[number] = value

    return step


def _recall(form: str) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        number = machine.number(form)
        if number not in machine.memo:
            machine.fault(f"value {number} was never kept")
        machine.push(machine.memo[number])

    return step


def _long(machine: Machine) -> None:
    length = machine.number("B")
    if length > 8:
        machine.fault(f"a number has {length} bytes")
    machine.push(int.from_bytes(machine.take(length), "little", signed=True))


def _decimal(machine: Machine) -> None:
    """Protocol 1 writes truth values and long numbers as text."""
    line = machine.line()
    if line in ("00", "01"):
        machine.push(line == "01")
    elif re.fullmatch(r"-?[0-9]{1,18}L?", line):
        machine.push(int(line.removesuffix("L")))
    else:
        machine.fault("a number is none, or is too long")


def _look_up(machine: Machine, module: Any, name: Any) -> None:
    try:
        machine.push(NAMES[module, name])
    except (KeyError, TypeError):
        machine.fault(f"it names {module}.{name}, which is not data")


def _global_on_stack(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    _look_up(machine, module, name)


def _reduce(machine: Machine) -> None:
    arguments, name = machine.pop(), machine.pop()
    match name, arguments:
        case Name.ENCODE, (str() as text, "latin1" | "latin-1"):
            machine.push(_encode(machine, text))
        case Name.BYTES, ():
            machine.push(b"")
        case _:
            machine.push(call(name, arguments, machine.fault))


def _encode(machine: Machine, text: str) -> bytes:
    """Python 3 writes bytes in this way for Python 2. No byte of the file is needed twice."""
    machine.encoded += len(text)
    if machine.encoded > len(machine.content):
        machine.fault("the same text is taken as bytes again and again")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        machine.fault("text is no bytes")


def _build(machine: Machine) -> None:
    state, target = machine.pop(), machine.pop()
    set_state(target, state, machine.fault)
    machine.push(target)


_Step = Callable[[Machine], None]


def _skip(form: str) -> _Step:
    def step(machine: Machine) -> None:
        machine.number(form)

    return step


def _pushes(make: Callable[[Machine], Any]) -> _Step:
    return lambda machine: machine.push(make(machine))


INSTRUCTIONS: Mapping[int, _Step] = {
    0x80: _skip("B"),  # protocol
    0x95: _skip("<Q"),  # frame: how much may be read ahead
    ord("("): _pushes(lambda m: _Mark.MARK),
    ord("N"): _pushes(lambda m: None),
    0x88: _pushes(lambda m: True),
    0x89: _pushes(lambda m: False),
    ord("K"): _pushes(lambda m: m.number("B")),
    ord("M"): _pushes(lambda m: m.number("<H")),
    ord("J"): _pushes(lambda m: m.number("<i")),
    0x8A: _long,
    ord("I"): _decimal,
    ord("L"): _decimal,
    ord("G"): _pushes(lambda m: m.number(">d")),
    ord("U"): _pushes(lambda m: m.blob(m.number("B"))),
    ord("T"): _pushes(lambda m: m.blob(m.number("<i"))),
    ord("C"): _pushes(lambda m: m.blob(m.number("B"))),
    ord("B"): _pushes(lambda m: m.blob(m.number("<I"))),
    0x8E: _pushes(lambda m: m.blob(m.number("<Q"))),
    0x96: _pushes(lambda m: m.blob(m.number("<Q"))),
    0x8C: _pushes(lambda m: m.text(m.number("B"))),
    ord("X"): _pushes(lambda m: m.text(m.number("<I"))),
    0x8D: _pushes(lambda m: m.text(m.number("<Q"))),
    ord("]"): _pushes(lambda m: []),
    ord("l"): _pushes(lambda m: m.above_mark()),
    ord("a"): _append,
    ord("e"): _append_all,
    ord(")"): _pushes(lambda m: ()),
    ord("t"): _pushes(lambda m: tuple(m.above_mark())),
    0x85: _tuple_of(1),
    0x86: _tuple_of(2),
    0x87: _tuple_of(3),
    ord("}"): _pushes(lambda m: {}),
    ord("d"): _make_dict,
    ord("s"): _set_item,
    ord("u"): lambda m: _set_items(m, m.above_mark()),
    ord("q"): _keep("B"),
    ord("r"): _keep("<I"),
    0x94: _keep(None),
    ord("h"): _recall("B"),
    ord("j"): _recall("<I"),
    ord("c"): lambda m: _look_up(m, m.line(), m.line()),
    0x93: _global_on_stack,
    ord("R"): _reduce,
    ord("b"): _build,
}
"""Instruction -> what it does. What is not here is refused."""
