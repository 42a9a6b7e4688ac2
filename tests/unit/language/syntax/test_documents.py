"""Documents: how wide they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ffebm_dsl.language.syntax.documents import (
    Fitted,
    IfBroken,
    Indent,
    LineEnd,
    Word,
    exceeds,
    flat,
)

LEAVES = st.one_of(
    st.text(max_size=5),
    st.builds(Word, st.text(max_size=5), st.integers(0, 99)),
    st.builds(LineEnd, st.sampled_from(["", " ", "  "])),
    st.builds(IfBroken, st.text(max_size=5)),
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Indent, inner), st.builds(Fitted, inner), st.lists(inner, max_size=4).map(tuple)
    ),
)


@given(DOCUMENTS, st.integers(-2, 30))
def test_a_document_exceeds_less_room_than_it_takes(document: object, room: int) -> None:
    assert exceeds(document, room) == (len(flat(document)) > room)  # type: ignore[arg-type]
