"""``ffebm convert``, ``schema``, ``specs``, ``new`` and ``migrate``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.cli.new import starter
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.interchange.json_schema import schema_text
from ffebm_dsl.language.ir import compile_spec, read_source
from ffebm_dsl.language.syntax import format_source

SMALLEST = Path(__file__).parents[2] / "specs" / "small" / "smallest.ffe"


def test_convert_there_and_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    yaml, as_json, back = (str(tmp_path / f"a.{ending}") for ending in ("yaml", "json", "ffe"))
    assert main(["convert", str(SMALLEST), yaml]) == 0
    assert main(["convert", yaml, as_json]) == 0
    assert main(["convert", as_json, back]) == 0
    assert compile_spec(read_source(back)).spec == compile_spec(read_source(SMALLEST)).spec
    assert capfd.readouterr() == ("", "")
    assert main(["convert", str(SMALLEST), "--to", "json", "--set", "epochs=3"]) == 0
    assert json.loads(capfd.readouterr().out)["train"]["epochs"] == 3
    for command in (["check", "--static"], ["show", "--json"]):
        assert main([*command, yaml]) == 0


def test_convert_says_what_it_lacks(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(SMALLEST)]) == 2
    assert "--to yaml" in capfd.readouterr().err
    faulty = tmp_path / "a.json"
    faulty.write_text('{"version": "1.0",\n "modle": {}, "train": null}')
    assert main(["convert", str(faulty), "--to", "ffe"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "a.json:2: /modle: `modle` is no key" in err and "`model`" in err


def test_convert_keeps_the_spec(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    spec, link = tmp_path / "a.ffe", tmp_path / "b.ffe"
    spec.write_text(SMALLEST.read_text(encoding="utf-8"), encoding="utf-8")
    link.symlink_to(spec)
    for out in (spec, link):
        assert main(["convert", str(spec), str(out)]) == 2
        assert f"{out} is the spec itself" in capfd.readouterr().err
    assert spec.read_text(encoding="utf-8") == SMALLEST.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command", [["convert", "--to", "yaml", str(SMALLEST)], ["specs", "copy", "smallest"]]
)
def test_a_name_of_another_form_is_refused(
    tmp_path: Path, command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.json"
    assert main([*command, str(out)]) == 2
    assert not out.exists()
    assert f"{out} is the name of JSON, and this would be " in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", f"a: [{'1,' * (1 << 19)}1]\n", "is larger than 65536 bytes"),
        ("a.json", f"[{'1,' * (1 << 19)}1]\n", "is larger than 65536 bytes"),
        ("a.yaml", "a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]\n", "aliases are not read"),
        ("a.yaml", f"a: {'[' * 2000}", "nested too deep"),
        ("a.yaml", f"a: {'{a: ' * 2000}", "nested too deep"),
        ("a.json", f'{{"a": {"[" * 2000}{"]" * 2000}}}', "nested too deep"),
        ("a.yaml", f"a: {'9' * 60000}", "not a number that can be read"),
        ("a.yaml", f"a: {'9' * 310}", "this number is too large"),
        ("a.json", f'{{"a": -{"9" * 310}}}', "this number is too large"),
        ("a.json", '{"a": 1e309}', "this number is too large"),
        ("a.json", f'{{"a": {"9" * 60000}}}', "not a number that can be read"),
    ],
)
@pytest.mark.parametrize("command", [["check"], ["convert", "--to", "ffe"], ["train"]])
def test_documents_that_would_take_long_are_refused(
    name: str,
    text: str,
    message: str,
    command: list[str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert main([*command, str(path)]) == 2
    out, err = capfd.readouterr()
    assert out == "" and message in err


def test_schema(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert capfd.readouterr().out == schema_text()


def test_specs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["specs"]) == 0
    listed = capfd.readouterr().out
    assert main(["specs", "list"]) == 0
    assert capfd.readouterr().out == listed
    assert main(["specs", "list"]) == 0
    assert "small/smallest" in capfd.readouterr().out
    assert main(["specs", "show", "smallest"]) == 0
    assert capfd.readouterr().out == SMALLEST.read_text(encoding="utf-8")
    assert main(["specs", "copy", "small/smallest"]) == 0
    assert (tmp_path / "smallest.ffe").read_text() == SMALLEST.read_text()
    (tmp_path / "smallest.ffe").write_text("mine")
    assert main(["specs", "copy", "smallest"]) == 2
    assert (tmp_path / "smallest.ffe").read_text() == "mine"
    assert main(["specs", "copy", "smallest", "--force"]) == 0
    capfd.readouterr()
    assert main(["specs", "show", "smalest"]) == 2
    assert "did you mean" in capfd.readouterr().err


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_the_starter_is_clean(blocks: int) -> None:
    source = SourceFile("a.ffe", starter("a", blocks))
    compiled = compile_spec(source)
    assert compiled.warnings == ()
    assert len(list(compiled.spec.model.blocks)) == blocks
    assert format_source(source) == source.text


def test_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "my-net", "--blocks", "1"]) == 0
    assert "model my_net {" in (tmp_path / "my-net.ffe").read_text()
    assert main(["new", "my-net"]) == 2
    assert main(["new", "my-net", "--force"]) == 0
    for name in ("model", "1st", "-", "", ".", "/"):
        assert main(["new", "--", name]) == 2
    assert "cannot be the name of a model" in capfd.readouterr().err
    train = ["train", "my-net.ffe", "--max-steps", "1", "--out", "run", "--quiet"]
    assert main(train) == 0


def test_migrate(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.ffe"
    path.write_text("model  m {}")
    assert main(["migrate", "--check", str(path)]) == 1
    assert "run `ffebm migrate`" in capfd.readouterr().err
    assert main(["migrate", "--diff", str(path)]) == 0
    assert "+ffe 1.1\n" in capfd.readouterr().out
    assert path.read_text() == "model  m {}"
    assert main(["migrate", str(path)]) == 0
    assert path.read_text() == "ffe 1.1\nmodel  m {}"
    assert main(["migrate", "--check", str(path)]) == 0


@pytest.mark.parametrize("ending", ["yaml", "json"])
@pytest.mark.parametrize("command", [["convert", "--to", "ffe"], ["check", "--static"], ["train"]])
def test_a_large_document_is_refused_unread(
    command: list[str], ending: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    large = tmp_path / f"a.{ending}"
    large.write_text("[1, 2, 3]\n" * 100_000)
    assert main([command[0], str(large), *command[1:]]) == 2
    assert "larger than 65536 bytes" in capfd.readouterr().err
