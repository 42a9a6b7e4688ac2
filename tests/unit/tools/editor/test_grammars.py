"""Highlighting: the TextMate grammar and the Pygments lexer agree with the tokens."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Comment, Error, Keyword, Name, Number, String, Token

from ffebm_dsl.language.ir.resolve.params import VALUE_TYPES
from ffebm_dsl.language.syntax import RESERVED, lex
from ffebm_dsl.tools.highlighting import TYPES, FfeLexer
from tests.unit.tools.editor.textmate import FILE, make_grammar

ROOT = Path(__file__).parents[4]
EXTENSION = ROOT / "editors" / "vscode"
SPECS = [*(ROOT / "specs").rglob("*.ffe"), *(ROOT / "tests" / "golden" / "good").glob("*.ffe")]


def test_the_textmate_grammar_is_current(update_golden: bool) -> None:
    if update_golden:
        FILE.write_text(make_grammar(), encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == make_grammar()


def scopes(line: str) -> dict[str, str]:
    """The scope of every word and symbol of a line, as an editor finds it."""
    patterns = json.loads(make_grammar())["patterns"]
    found: dict[str, str] = {}
    at = 0
    while at < len(line):
        hits = [(m, p) for p in patterns if (m := re.compile(p["match"]).search(line, at))]
        if not hits:
            break
        match, pattern = min(hits, key=lambda hit: hit[0].start())
        for group, capture in pattern.get("captures", {}).items():
            found[match.group(int(group))] = capture["name"]
        if "name" in pattern:
            found[match.group()] = pattern["name"]
        at = max(match.end(), at + 1)
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("block b1 {", {"block": "storage.type.ffe", "b1": "entity.name.type.ffe"}),
        ("s1 <-> s2 : linear()", {"<->": "keyword.operator.coupling.ffe"}),
        ("u -> s1", {"->": "keyword.operator.drive.ffe"}),
        ("relax free { sweeps = 9 }", {"relax": "keyword.control.ffe"}),
        ("relax free { sweeps = 9 }", {"sweeps": "variable.parameter.ffe"}),
        ("x |> conv2d(8, bias=false)", {"conv2d": "support.function.ffe"}),
        ("x |> conv2d(8, bias=false)", {"false": "constant.language.ffe"}),
        ("width: int = 1e-3 # note", {"int": "support.type.ffe"}),
        ("width: int = 1e-3 # note", {"1e-3": "constant.numeric.ffe"}),
        ("width: int = 1e-3 # note", {"# note": "comment.line.number-sign.ffe"}),
        ("## doc", {"## doc": "comment.line.documentation.ffe"}),
        ('npz("a # b")', {'"a # b"': "string.quoted.double.ffe"}),
        ("use my-lab >= 0.2", {"use": "keyword.control.ffe", "my-lab": "entity.name.type.ffe"}),
        ("modelx", {}),
    ],
)
def test_scopes(line: str, expected: dict[str, str]) -> None:
    found = scopes(line)
    assert expected.items() <= found.items()
    assert expected or not found


def test_the_extension_fits_together() -> None:
    package: dict[str, Any] = json.loads((EXTENSION / "package.json").read_text())
    paths = [package["icon"], *package["scripts"]["vscode:prepublish"].split()[1:]]
    paths += [g["path"] for g in package["contributes"]["grammars"]]
    paths += [language["configuration"] for language in package["contributes"]["languages"]]
    assert all((EXTENSION / path).is_file() for path in paths)
    configuration = json.loads((EXTENSION / "language-configuration.json").read_text())
    for rule in configuration["indentationRules"].values():
        re.compile(rule)
    setting = package["contributes"]["configuration"]["properties"]["ffe.command"]
    assert setting["default"] == ["ffebm", "lsp"]
    assert (EXTENSION / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_client_parses() -> None:
    subprocess.run(["node", "--check", EXTENSION / "extension.js"], check=True)


KINDS = {
    "keyword": Keyword,
    "use statement": Keyword,
    "name": Name,
    "number": Number,
    "string": String.Double,
    "comment": Comment,
    "doc comment": String.Doc,
    "symbol": Token,
}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_pygments_sees_the_tokens_that_the_compiler_sees(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lexer = FfeLexer(stripnl=False, ensurenl=False)
    lexed = {start: (kind, value) for start, kind, value in lexer.get_tokens_unprocessed(text)}
    assert "".join(value for _, value in lexed.values()) == text
    assert not any(kind in Error for kind, _ in lexed.values())
    for token in lex(text):
        kind, value = lexed[token.span.start]
        assert value.rstrip() == token.text
        typed = kind is Keyword.Type and token.kind == "name"
        assert kind in KINDS[token.kind] or typed, token


def test_pygments_finds_the_lexer() -> None:
    (entry,) = metadata.entry_points(group="pygments.lexers", name="ffe")
    assert entry.load() is FfeLexer
    assert isinstance(get_lexer_by_name("ffe"), FfeLexer)
    assert isinstance(get_lexer_for_filename("a.ffe"), FfeLexer)


def test_a_fault_is_marked() -> None:
    kinds = [kind for kind, _ in FfeLexer().get_tokens("block $ {")]
    assert any(kind in Error for kind in kinds)
    assert set(VALUE_TYPES) < set(TYPES)
    assert all(next(iter(FfeLexer().get_tokens(word)))[0] in Keyword for word in sorted(RESERVED))
