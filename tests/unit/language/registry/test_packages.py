"""Constructs of installed packages are visible to specs that name the package only.

The packages are in tests/packages, with the metadata of installed distributions.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from ffebm_dsl import SpecError, register
from ffebm_dsl.build import build
from ffebm_dsl.cli.main import main
from ffebm_dsl.language.diagnostics import Diagnostic, InputError, SourceFile
from ffebm_dsl.language.interchange.document import read_yaml, write_yaml
from ffebm_dsl.language.interchange.load import compile_document, to_plain, to_text
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import PackageIR, SpecIR
from ffebm_dsl.language.ir.tools.dump import from_json_dict, to_json_dict
from ffebm_dsl.language.registry import ACTIVATIONS, TABLES
from ffebm_dsl.language.registry.packages import GROUP, find_package, is_older
from ffebm_dsl.language.registry.tables import FOLDER, OWN
from ffebm_dsl.tools.comparison.spec_comparison import compare
from ffebm_dsl.tools.editor.analysis import analyse
from ffebm_dsl.tools.editor.complete import complete

ROOT = Path(__file__).parents[4]

SPEC = """
ffe 1.1
{use}
model m {{
  input x: vector(4)
  target y: label(2)
  block b {{
    feedforward u = x |> {op} |> linear(3)
    energy hopfield {{
      layer s1: [3] {activation}
      u -> s1
    }}
    out = s1
  }}
  readout logits = b |> linear(2)
  loss = cross_entropy(logits, y)
}}
""".lstrip()


def text(use: str = "", op: str = "relu", activation: str = "tanh") -> SourceFile:
    return SourceFile("m.ffe", SPEC.format(use=use, op=op, activation=activation))


def spec(use: str = "", op: str = "relu", activation: str = "tanh") -> SpecIR:
    return compile_spec(text(use, op, activation)).spec


def fault(use: str = "", op: str = "relu", activation: str = "tanh") -> Diagnostic:
    """The only error of the text."""
    with pytest.raises(SpecError) as caught:
        spec(use, op, activation)
    (found,) = caught.value.diagnostics
    return found


USED = {"use": "use lab-devices >= 0.3", "op": "doubled", "activation": "bent(2)"}


def test_ffebm_declares_its_own_constructs_like_a_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][GROUP] == {OWN: FOLDER}
    own = find_package(OWN)
    assert own is not None and own.folders == (FOLDER,)


def test_a_spec_uses_constructs_of_a_package() -> None:
    ir = spec(**USED)
    assert ir.packages == (PackageIR("lab-devices", "0.3", "0.3.1"),)
    (block,) = ir.model.blocks
    assert block.layers[0].activation.arguments == {"slope": 2.0}
    network = build(ir)
    (hybrid,) = network.blocks
    assert "Doubled" in repr(hybrid)


def test_a_bug_in_a_package_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.ffe"
    path.write_text(text(**USED).text)
    command = ["show", str(path), "--after", "modules"]
    assert main(command) == 0
    capfd.readouterr()
    monkeypatch.setattr("lab_devices.constructs.activations.bent.ACTIVATIONS", {})
    assert main(command) == 3
    assert capfd.readouterr().err == (
        "internal error in the package `lab-devices`: KeyError: 'tanh'; "
        "please report it to its authors, with what FFEBM_DEBUG=1 prints\n"
    )


@pytest.mark.parametrize("name", ["lab_devices", "Lab.Devices"])
def test_every_spelling_of_a_distribution_is_one_package(name: str) -> None:
    assert spec(**{**USED, "use": f"use {name} >= 0.3"}) == spec(**USED)


def test_a_spec_that_does_not_name_the_package_does_not_see_it() -> None:
    found = fault(activation="bent")
    assert found.code == "FFE1005"
    assert found.help == "`lab-devices` brings one: add `use lab-devices >= 0.3.1`"
    spec(**USED)
    # Not either after another spec of this process has loaded it.
    assert fault(activation="bent") == found


def test_a_misspelt_name_is_respelt_from_what_the_spec_sees() -> None:
    assert fault(USED["use"], activation="bemt").help == "did you mean `bent`?"
    assert "bent" not in fault(activation="bemt").help


@pytest.mark.parametrize(
    ("use", "message", "help"),
    [
        ("no-such-lab >= 0.2", "`no-such-lab` is not installed", "pip install 'no-such-lab>=0.2'"),
        ("lab-devices >= 0.4", "0.3.1 is installed", "pip install 'lab-devices>=0.4'"),
        ("numpy >= 1.0", "`numpy` brings no constructs", "leave the statement out"),
        ("lab-folders >= 1.0", "has a folder `activation`", "tell its authors"),
    ],
)
def test_a_package_that_cannot_be_used(use: str, message: str, help: str) -> None:
    found = fault(f"use {use}")
    assert found.code == "FFE1020"
    assert message in found.message and help in found.help


def test_a_missing_package_is_one_error_whatever_the_text_names_of_it() -> None:
    found = fault("use no-such-lab >= 0.3", op="doubled", activation="bent(2)")
    assert found.code == "FFE1020"


def test_a_name_that_ffebm_has_already() -> None:
    found = fault("use lab-clash >= 1.0")
    assert found.code == "FFE1021"
    assert found.message == "`lab-clash` and `ffebm` both bring activation `tanh`"


def test_a_name_that_two_packages_have() -> None:
    found = fault("use lab-devices >= 0.3\nuse lab-rivals >= 1.0")
    assert found.code == "FFE1021"
    assert found.message == "`lab-rivals` and `lab-devices` both bring activation `bent`"


def test_a_package_is_named_once() -> None:
    assert fault("use lab-devices >= 0.3\nuse lab_devices >= 0.2").code == "FFE1015"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("unnamed", "its CONSTRUCT is no ActivationConstruct `unnamed`"),
        ("unimportable", "no module named lab_drivers"),
    ],
)
def test_a_faulty_file_is_named(name: str, why: str) -> None:
    found = fault("use lab-faulty >= 1.0", activation=name)
    assert found.code == "FFE1020"
    assert f"`{name}` of the package `lab-faulty`" in found.message and why in found.message


def test_a_pre_release_counts_as_its_release() -> None:
    assert not is_older("0.3.dev2", "0.3") and not is_older("0.3rc1", "0.3.0")
    assert is_older("0.3rc1", "0.3.1") and is_older("0.9", "0.10")


def test_the_ir_keeps_packages_through_json_and_as_a_text() -> None:
    ir = spec(**USED)
    plain = to_json_dict(ir)
    assert plain["packages"] == [{"name": "lab-devices", "least": "0.3", "version": "0.3.1"}]
    assert from_json_dict(json.loads(json.dumps(plain))) == ir
    assert "use lab-devices >= 0.3\n" in to_text(ir)
    assert "packages" not in to_json_dict(spec())


def test_a_document_names_packages() -> None:
    ir = spec(**USED)
    document = write_yaml(to_plain(ir))
    assert "0.3.1" not in document
    assert compile_document(read_yaml(SourceFile("m.yaml", document))).spec == ir
    with pytest.raises(InputError, match="not installed"):
        absent = document.replace("lab-devices", "no-such-lab")
        compile_document(read_yaml(SourceFile("m.yaml", absent)))


def test_the_editor_offers_what_the_text_uses() -> None:
    for use, offered in ((USED["use"], True), ("", False)):
        source = text(use, activation="be")
        at = source.text.index(" be\n") + 3
        labels = {item.label for item in complete(analyse(source), at)}
        assert "tanh" in labels and ("bent" in labels) is offered


def test_a_difference_of_packages_is_a_setting() -> None:
    found = compare(spec(**USED), spec()).settings
    assert ("use", "lab-devices 0.3.1", "none") in [(s.key, s.a, s.b) for s in found]


def test_registered_constructs_need_no_use() -> None:
    from dataclasses import replace

    register(replace(ACTIVATIONS["tanh"], name="curved"), "activations")
    assert spec(activation="curved(2)").packages == ()
    with pytest.raises(ValueError, match="taken"):
        register(ACTIVATIONS["relu"], "activations")
    with pytest.raises(TypeError):
        register(replace(ACTIVATIONS["tanh"], name="other"), "ops")
    with pytest.raises(ValueError, match="nothing can be added"):
        register(replace(TABLES["phases"]["free"], name="warm"), "phases")
