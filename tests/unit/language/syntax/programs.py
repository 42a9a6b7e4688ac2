"""Random programs of the whole grammar, with comments and line ends wherever they are allowed."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

Tokens = list[str]
Draw = st.DrawFn

QUIET = (" ", " ", " ", "\n", "\n", "\n\n", "\t", "\r\n", "\n   \n\n", "\f")
"""What may stand between two tokens."""

NOISY = (
    " # end\n",
    "\n# own\n",
    "\n\n  # apart\n\n",
    " ## doc\n",
    "\n## own doc\n",
    "\n\n## heading\n\n",
    " # one\n# two\n\n## three\n",
    " #\n",
    " #x\r\n",
    ' # " { } ( #\n',
    " # a comment that is longer than any line should be" + " and goes on" * 6 + "\n",
)
"""The same, with comments."""

_NAMES = ("use", "a", "b1", "src", "width", "a_rather_long_name_that_fills_half_a_line_by_itself")
_NUMBERS = ("1", "20", "007", "2147483647", "0.5", "1e-4", "2.5E+3")
_STRINGS = ('""', '"set.npz"', '"# no comment"', '"{"')


def _name(draw: Draw) -> Tokens:
    return [draw(st.sampled_from(_NAMES))]


def _many(draw: Draw, part: Callable[[Draw], Tokens], most: int, between: str = "") -> Tokens:
    """Some parts, with a token between two of them and sometimes behind the last."""
    tokens: Tokens = []
    count = draw(st.integers(0, most))
    for i in range(count):
        tokens += part(draw)
        if between and (i < count - 1 or draw(st.booleans())):
            tokens.append(between)
    return tokens


def _port(draw: Draw) -> Tokens:
    return [*_name(draw), ".", *_name(draw)] if draw(st.integers(0, 3)) == 0 else _name(draw)


def _expression(draw: Draw, depth: int = 3) -> Tokens:
    kind = draw(st.integers(0, 9 if depth else 3))
    inner = depth - 1
    if kind <= 1:
        return [draw(st.sampled_from(_NUMBERS))]
    if kind == 2:
        return _port(draw)
    if kind == 3:
        return [draw(st.sampled_from((*_STRINGS, "true", "false")))]
    if kind == 4:
        return ["(", *_expression(draw, inner), ")"]
    if kind == 5:
        return [*["-"] * draw(st.integers(1, 3)), "(", *_expression(draw, inner), ")"]
    if kind == 6:
        return ["[", *_many(draw, lambda d: _expression(d, inner), 4, ","), "]"]
    if kind == 7:
        return [*_name(draw), *_arguments(draw, inner)]
    return _arithmetic(draw, inner)


def _arithmetic(draw: Draw, depth: int) -> Tokens:
    tokens = _operand(draw, depth)
    for _ in range(draw(st.integers(1, 3))):
        tokens += [draw(st.sampled_from("+-*/")), *_operand(draw, depth)]
    return tokens


def _operand(draw: Draw, depth: int) -> Tokens:
    signs = ["-"] * draw(st.sampled_from((0, 0, 0, 1, 2)))
    return [*signs, "(", *_expression(draw, depth), ")"] if depth else [*signs, *_port(draw)]


def _arguments(draw: Draw, depth: int) -> Tokens:
    def argument(draw: Draw) -> Tokens:
        named = [*_name(draw), "="] if draw(st.booleans()) else []
        return [*named, *_expression(draw, depth)]

    return ["(", *_many(draw, argument, 3, ","), ")"]


def _entry(draw: Draw) -> Tokens:
    return [*_name(draw), *(_arguments(draw, 2) if draw(st.booleans()) else [])]


def _chain(draw: Draw) -> Tokens:
    return _many(draw, lambda d: ["|>", *_entry(d)], 4)


def _list(draw: Draw) -> Tokens:
    return ["[", *_many(draw, _expression, 3, ","), "]"]


def _settings(draw: Draw) -> Tokens:
    return ["{", *_many(draw, lambda d: [*_name(d), "=", *_expression(d)], 3), "}"]


def _shared(draw: Draw) -> Tokens:
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return ["feedforward", *_name(draw), "=", *_port(draw), *_chain(draw)]
    if kind == 1:
        return ["relax", *_name(draw), *_settings(draw)]
    return ["gradient" if kind == 2 else "init", *_entry(draw)]


def _energy_statement(draw: Draw) -> Tokens:
    if draw(st.booleans()):
        return ["layer", *_name(draw), ":", *_list(draw), *_entry(draw)]
    ops = [":", *_entry(draw), *_chain(draw)] if draw(st.booleans()) else []
    return [*_port(draw), draw(st.sampled_from(("->", "<->"))), *_port(draw), *ops]


def _block_statement(draw: Draw) -> Tokens:
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return ["energy", *_name(draw), "{", *_many(draw, _energy_statement, 5), "}"]
    if kind == 1:
        return ["out", *(_name(draw) if draw(st.booleans()) else []), "=", *_name(draw)]
    return _shared(draw)


def _body(draw: Draw) -> Tokens:
    return ["{", *_many(draw, _block_statement, 4), "}"]


def _override(draw: Draw) -> Tokens:
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return ["relax", *_name(draw), *_settings(draw)]
    return ["gradient" if kind == 1 else "init", *_entry(draw)]


def _weighted(draw: Draw) -> Tokens:
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return [*draw(st.sampled_from((["0.3"], ["b", ".", "w"]))), "*", *_entry(draw)]
    if kind == 1:
        return ["(", *_expression(draw), ")", "*", *_entry(draw)]
    return _entry(draw)


def _model_statement(draw: Draw) -> Tokens:
    kind = draw(st.integers(0, 6))
    if kind == 0:
        return [draw(st.sampled_from(("input", "target"))), *_name(draw), ":", *_entry(draw)]
    if kind == 1:
        return ["readout", *_name(draw), "=", *_port(draw), *_chain(draw)]
    if kind == 2:
        return ["loss", "=", *_weighted(draw), *_many(draw, lambda d: ["+", *_weighted(d)], 2)]
    if kind == 3:
        return ["block", *_name(draw), *_body(draw)]
    if kind == 4:
        overrides = ["{", *_many(draw, _override, 2), "}"] if draw(st.booleans()) else []
        return ["block", *_name(draw), "=", *_name(draw), *_arguments(draw, 2), *overrides]
    return _shared(draw)


def _item(draw: Draw) -> Tokens:
    kind = draw(st.integers(0, 5))
    if kind == 5:
        return [draw(st.sampled_from(("use a >= 1", "use lab-x.y_z>=0.2.1", "use\tb  >= 10.0")))]
    if kind == 0:
        formals = _many(draw, lambda d: [*_name(d), ":", *_name(d)], 3, ",")
        return ["template", *_name(draw), "(", *formals, ")", *_body(draw)]
    if kind == 1:
        return ["model", *_name(draw), "{", *_many(draw, _model_statement, 5), "}"]
    if kind == 2:
        return ["train", *_settings(draw)]
    domain = ["in", *_list(draw)] if draw(st.booleans()) else []
    return ["param", *_name(draw), ":", *_name(draw), "=", *_expression(draw), *domain]


@st.composite
def programs(draw: Draw, separators: tuple[str, ...] = QUIET + NOISY) -> str:
    """A text that parses, whatever it may mean."""
    version = ["ffe", draw(st.sampled_from(("1.0", "1.1", "2")))] if draw(st.booleans()) else []
    tokens = [*version, *_many(draw, _item, 4)]
    gaps = draw(st.lists(st.sampled_from(separators), min_size=4, max_size=12))
    # Gaps recur: a draw for each would leave hypothesis little room for the tokens.
    shift = draw(st.integers(0, 11))
    text = "".join(gaps[(i * (shift + 1)) % len(gaps)] + token for i, token in enumerate(tokens))
    return text + draw(st.sampled_from(("", *separators)))
