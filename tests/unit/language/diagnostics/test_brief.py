"""User values in messages are short."""

from __future__ import annotations

import pytest

from ffebm_dsl.language.diagnostics.brief import LONGEST, brief, brief_list

ITSELF: list[object] = []
ITSELF += [ITSELF] * 1000


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("text", "text"),
        ("x" * 10_000, "x" * (LONGEST - 3) + "..."),
        (3, "3"),
        (True, "True"),
        (None, "None"),
        (1e308, "1e+308"),
        (ITSELF, "a list"),
        ({"a": ITSELF}, "a dict"),
    ],
)
def test_a_value_is_short(value: object, shown: str) -> None:
    assert brief(value) == shown


def test_a_number_is_short() -> None:
    """Python refuses to write out one of more than 4,300 digits."""
    assert brief(10**5000) == "a number of many digits"


def test_a_list_is_short() -> None:
    assert brief_list([]) == "none"
    assert brief_list(["a", "b"]) == "a, b"
    assert brief_list(range(30)).endswith("18, 19, and 10 more")
    assert len(brief_list(["x" * 10_000] * 10_000)) < 1000
