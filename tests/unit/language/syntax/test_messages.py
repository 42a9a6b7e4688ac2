"""The table of messages: each snippet produces its message, and most states have one."""

from __future__ import annotations

from collections import Counter

import pytest

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.syntax import code_tokens, lex, parse_with_recovery
from ffebm_dsl.language.syntax.acceptance import Situation, acceptance
from ffebm_dsl.language.syntax.faults import Message, key_of, message_table, read_messages
from tests.mutants import real_specs

MESSAGES = [*read_messages()]
COVERED = 0.97
"""Share of the places in real specs, each as often as it occurs, that have a message."""


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.place)
def test_the_snippet_brings_its_message_about(message: Message) -> None:
    first, *_ = parse_with_recovery(SourceFile("snippet.ffe", message.snippet)).diagnostics
    said = [first.message, *first.notes]
    assert message.text in said
    assert not message.note or message.note in said


def test_no_two_messages_claim_one_place() -> None:
    walked = acceptance("start")
    claims: dict[object, str] = {}
    for message in MESSAGES:
        assert claims.setdefault(key_of(message, walked), message.text) == message.text, message


def test_messages_are_one_line_without_a_full_stop() -> None:
    for message in MESSAGES:
        assert message.snippet.strip() and not message.text.endswith(".")


def test_a_snippet_without_a_fault_is_a_bug() -> None:
    fine = Message("", "", "param a: int = 1\n", False, "here")
    with pytest.raises(ValueError, match="no syntax error"):
        key_of(fine, acceptance("start"))


def situations() -> Counter[Situation]:
    """Where the parser stands in front of every word of the real specs."""
    walked = acceptance("start")
    met: Counter[Situation] = Counter()
    for _, text in real_specs():
        stack, words = walked.start, code_tokens(lex(text))
        for at in range(len(words)):
            met[walked.situation(stack)] += 1
            stepped = walked.step(stack, walked.kind_of(stack, words, at))
            assert stepped is not None
            stack = stepped
    return met


def test_most_places_have_a_message() -> None:
    met = situations()
    known = {key.situation for key in message_table()}
    covered = sum(count for situation, count in met.items() if situation in known)
    print(f"{covered / met.total():.1%} of places, {len(known & set(met))}/{len(met)} situations")
    assert covered >= COVERED * met.total()
