"""`init` of single ops: compilation, and round trips in texts, documents and comparisons."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.interchange.document import read_yaml, write_yaml
from ffebm_dsl.language.interchange.load import compile_document, to_plain, to_text
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import SpecIR
from tests.golden.compiled import GOOD

(PATH,) = (path for path in GOOD if path.stem == "initialisers")
TEXT = PATH.read_text(encoding="utf-8")


def spec(text: str = TEXT, **overrides: str) -> SpecIR:
    return compile_spec(SourceFile("i.ffe", text), overrides).spec


def test_text_and_document_keep_it() -> None:
    ir = replace(spec(), parameters={})
    assert compile_spec(SourceFile("again.ffe", to_text(ir))).spec == ir
    document = read_yaml(SourceFile("i.yaml", write_yaml(to_plain(ir))))
    assert compile_document(document).spec == ir


def test_what_every_op_states_itself_no_override_changes() -> None:
    with pytest.raises(SpecError) as caught:
        spec(**{"init.gain": "2"})
    (fault,) = caught.value.diagnostics
    assert fault.code == "FFE1022" and "every block or op states its own `init`" in fault.message
    assert spec(**{"init.gain": "0.5"}) == spec(), "the text's own value"
    # A coupling of the block is drawn as the block says.
    assert spec(**{"b.init": "default"}) != spec()
    with pytest.raises(SpecError, match="every block or op"):
        spec(TEXT.replace("init=inherited", "init=zeros"), **{"b.init": "default"})


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("ortogonal", "FFE1005"),
        ("normal", "FFE1007"),
        ("2", "FFE1009"),
        ("uniform(low=2)", "FFE1023"),
    ],
)
def test_what_is_no_initialiser_is_refused(wrong: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec(TEXT.replace("init=inherited", f"init={wrong}"))
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_a_tied_coupling_is_drawn_as_the_other_one() -> None:
    one = "s2 <-> s2 : linear(init=inherited)"
    text = TEXT.replace(one, f'{one}\n      s2 <-> s2 : linear(init=zeros) {{ tied_to = "s2_s2" }}')
    with pytest.raises(SpecError, match="has other arguments"):
        spec(text)
    spec(text.replace("linear(init=inherited)", "linear(init=zeros)"))
