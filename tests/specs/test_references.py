"""Every bundled spec has a reference, which its training reproduces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.tools.reproduction.reference import LARGEST_LIMIT, path_of, read

SPECS = sorted((Path(__file__).parents[2] / "specs").rglob("*.ffe"))
QUICK = ("smallest", "holomorphic")


def name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("spec", SPECS, ids=name)
def test_every_spec_has_a_reference(spec: Path) -> None:
    reference = read(path_of(spec))
    assert len(reference.curve.loss) == reference.steps
    assert reference.limit <= LARGEST_LIMIT


@pytest.mark.parametrize("spec", [s for s in SPECS if s.stem in QUICK], ids=name)
def test_a_small_spec_is_reproduced(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["verify", str(spec), "--json"])
    assert status == 0, json.loads(capsys.readouterr().out)["differences"][:3]


@pytest.mark.slow
@pytest.mark.parametrize("spec", [s for s in SPECS if s.stem not in QUICK], ids=name)
def test_a_spec_is_reproduced(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test_a_small_spec_is_reproduced(spec, capsys)
