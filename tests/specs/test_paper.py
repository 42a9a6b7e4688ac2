"""The specs of the paper's experiments: short, valid at every width, with right gradients."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.language.ir import compile_spec, read_source
from ffebm_dsl.language.ir.tools.count import count

PAPER = Path(__file__).parents[2] / "specs" / "paper"
SPECS = sorted(path.stem for path in PAPER.glob("*.ffe"))
SPLITS = [name for name in SPECS if name.startswith("split")]
LONGEST = 80
NARROW = {"width": "2"}
FAST = ("split_l6_bs6", "split_l6_bs3")


def file(name: str) -> str:
    return str(PAPER / f"{name}.ffe")


def options(values: dict[str, str]) -> list[str]:
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def test_every_experiment_has_a_spec() -> None:
    splits = [f"split_l{layers}_bs{size}" for layers, sizes in SIZES.items() for size in sizes]
    assert set(SPECS) == {
        *splits, "gradient_analysis", "resnet18", "scaling_l12", "scaling_l15"
    }  # fmt: skip


SIZES = {6: (6, 3, 2), 12: (4, 3, 2)}


@pytest.mark.parametrize("name", SPECS)
def test_it_is_valid_and_short(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert len((PAPER / f"{name}.ffe").read_text().splitlines()) <= LONGEST
    for values in ({}, NARROW):
        assert main(["check", "--static", file(name), *options(values)]) == 0
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("name", SPLITS)
def test_a_switch_relaxes_to_a_tolerance(name: str) -> None:
    (fixed, _), (settled, plan) = (
        (spec.model.stages[0].free, spec.train)  # type: ignore[union-attr]
        for settle in ("0", "1")
        for spec in [compile_spec(read_source(file(name)), {"settle": settle}).spec]
    )
    assert fixed.tolerance == 0 and settled.tolerance > 0
    assert (settled.sweeps, plan and plan.epochs) == (1580, 100)


@pytest.mark.parametrize(("name", "sizes"), [("split_l6", SIZES[6]), ("split_l12", SIZES[12])])
def test_splits_are_of_one_size(name: str, sizes: tuple[int, ...]) -> None:
    """Weights are the same in number; a split turns couplings into maps, with their norms."""
    models = [compile_spec(read_source(file(f"{name}_bs{size}"))).spec.model for size in sizes]
    weights = [
        sum(
            op.arguments[counted] * op.in_shape[0] * op.arguments.get("kernel", 1) ** 2
            for block in model.blocks
            for chain in (*block.feedforwards, *block.couplings)
            for op in chain.ops
            for counted in ("out_channels", "out_features")
            if counted in op.arguments
        )
        for model in models
    ]
    assert len(set(weights)) == 1
    if name == "split_l6":
        assert {count(model).parameters for model in models} == {4_955_786}


@pytest.mark.parametrize(("classes", "data"), [(10, "cifar10"), (1000, "imagenet32")])
def test_other_data_need_two_settings(classes: int, data: str) -> None:
    for name in ("scaling_l12", "scaling_l15"):
        settings = {"classes": str(classes), "data": f"{data}(batch=256)"}
        spec = compile_spec(read_source(file(name)), settings).spec
        assert spec.train is not None
        assert (spec.model.target.size, spec.train.data.name) == (classes, data)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in FAST else pytest.mark.slow) for n in SPECS],
)
def test_its_gradients_are_right(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A narrow variant in float64: every tensor's cosine with finite differences and implicit."""
    assert main(["check", file(name), *options(NARROW), "--samples", "2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["gradients"]
    assert len(rows) > 20
    assert min(row["cosine"] for row in rows) > 0.999
