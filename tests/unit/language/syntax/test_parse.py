"""Text -> AST: spans, precedence, comments, doc comments."""

from __future__ import annotations

import pytest

from ffebm_dsl.language.diagnostics import SourceFile, Span, SpecError
from ffebm_dsl.language.syntax import ast, parse, parse_override

TEXT = """ffe 1.0
## The heading
## of the text.

# plain
## How wide.
param width: int = 2 + 3 * -4 in [1, "a # b"]   # trailing
model m {
  ## The block.
  block b { out skip = s1 }
}
"""


def program(text: str = TEXT) -> ast.Program:
    return parse(SourceFile("t.ffe", text))


def text_of(node: ast.Node, text: str = TEXT) -> str:
    return text[node.span.start : node.span.end]


def test_spans_cover_the_statement() -> None:
    param, model = program().items
    assert text_of(param).startswith("param width") and text_of(param).endswith("]")
    assert isinstance(model, ast.Model)
    assert text_of(model.statements[0]) == "block b { out skip = s1 }"


def test_precedence_and_sign() -> None:
    param = program().items[0]
    assert isinstance(param, ast.Param) and isinstance(param.default, ast.Arithmetic)
    (plus, product) = param.default.rest[0]
    assert plus == "+" and isinstance(product, ast.Arithmetic)
    assert isinstance(product.rest[0][1], ast.Negative)


def test_comments_are_kept_and_strings_are_not_comments() -> None:
    comments = program().comments
    assert [c.text for c in comments] == [
        "## The heading",
        "## of the text.",
        "# plain",
        "## How wide.",
        "# trailing",
        "## The block.",
    ]
    assert all(text_of(c) == c.text for c in comments)


def test_doc_comments_belong_to_the_next_declaration() -> None:
    parsed = program()
    assert parsed.doc == "The heading\nof the text."
    param, model = parsed.items
    assert isinstance(param, ast.Param) and param.doc == "How wide."
    assert isinstance(model, ast.Model) and model.doc == ""
    block = model.statements[0]
    assert isinstance(block, ast.Block) and block.doc == "The block."


def test_doc_comment_without_an_empty_line_is_no_heading() -> None:
    parsed = program("## About n.\nparam n: int = 1\n")
    assert parsed.doc == ""
    assert isinstance(parsed.items[0], ast.Param) and parsed.items[0].doc == "About n."


def test_parentheses_of_ops_may_be_left_out() -> None:
    model = program("model m { feedforward u = x |> relu |> linear(3) readout r = u }").items[0]
    assert isinstance(model, ast.Model)
    feedforward = model.statements[0]
    assert isinstance(feedforward, ast.Feedforward)
    assert [op.name.text for op in feedforward.ops] == ["relu", "linear"]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "\r\n\tparam a: int = 1\r\n"])
def test_texts_without_much_in_them(text: str) -> None:
    assert program(text).comments == program(text).comments


@pytest.mark.parametrize("key", ["epochs", "optimizer.lr", "b1.relax.free.sweeps"])
def test_the_key_of_an_override_has_any_number_of_names(key: str) -> None:
    assert isinstance(parse_override(SourceFile("--set", f"{key}=1e-3")).value, ast.Number)


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("modelx {}", "FFE0001", "modelx"),
        ("model m { relaxfree { } }", "FFE0001", "relaxfree"),
        ("param a: int = 1..2", "FFE0001", "."),
        ("param a: int = 1e", "FFE0006", "1e"),
        ("param a: int = $", "FFE0002", "$"),
        ("param a: string = 'x'", "FFE0002", "'"),
    ],
)
def test_first_syntax_fault(text: str, code: str, place: str) -> None:
    with pytest.raises(SpecError) as caught:
        program(text)
    (fault,) = caught.value.diagnostics
    assert fault.code == code
    assert text[fault.span.start : fault.span.end] == place


def test_end_of_text_is_where_the_text_ends() -> None:
    with pytest.raises(SpecError) as caught:
        program("param a: int =\n\n")
    (fault,) = caught.value.diagnostics
    assert fault.code == "FFE0003" and fault.span == Span(14, 14)


def test_a_package_is_used_by_name_and_least_version() -> None:
    text = "ffe 1.1\nuse mylab-devices.x >= 1.2.3 # why\nuse b>=4\nparam use: int = 1"
    first, second, param = parse(SourceFile("t.ffe", text)).items
    assert isinstance(first, ast.Use) and isinstance(second, ast.Use)
    assert (first.package.text, first.version.text) == ("mylab-devices.x", "1.2.3")
    assert (second.package.text, second.version.text) == ("b", "4")
    for part in (first.package, first.version, second.package, second.version):
        assert text[part.span.start : part.span.end] == part.text
    assert isinstance(param, ast.Param) and param.name.text == "use"


@pytest.mark.parametrize("text", ["use a", "use a >= b", "use a >= 1.x", "use >= 1", "use 1 >= 2"])
def test_a_package_needs_its_name_and_version(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(SourceFile("t.ffe", f"ffe 1.1\n{text}\n"))
    assert "`use mylab >= 0.2`" in caught.value.diagnostics[0].help
