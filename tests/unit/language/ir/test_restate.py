"""An inconsistent IR is refused by building and by writing it as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.interchange.load import to_plain, to_text
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import BlockIR, CallIR, OpIR, RelaxIR, SpecIR
from ffebm_dsl.language.ir.restate import require_consistent
from tests.golden.test_golden import overrides_of
from tests.unit.language.interchange.specs import BASE, specs

ROOT = Path(__file__).parents[4]
TEXTS = [*sorted((ROOT / "specs").rglob("*.ffe")), *sorted((ROOT / "tests/golden/good").glob("*"))]
RIGHT = [path for path in TEXTS if path.suffix == ".ffe"]


def compiled(path: Path) -> SpecIR:
    text = path.read_text(encoding="utf-8")
    return compile_spec(SourceFile(path.name, text), overrides_of(text), None).spec


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_what_the_compiler_makes_passes(path: Path) -> None:
    require_consistent(compiled(path))


Steps = tuple[str | int, ...]


def at(value: Any, path: Steps) -> Any:
    for key in path:
        value = getattr(value, key) if isinstance(key, str) else value[key]
    return value


def edited(value: Any, path: Steps, new: Any) -> Any:
    """``value`` with ``new`` at the path; the rest as it was."""
    if not path:
        return new
    key, *rest = path
    if isinstance(key, str):
        return replace(value, **{key: edited(getattr(value, key), tuple(rest), new)})
    changed = edited(value[key], tuple(rest), new)
    return (*value[:key], changed, *value[key + 1 :])


B1: Steps = ("model", "stages", 1)
LINEAR: Steps = (*B1, "couplings", 0, "ops", 0)
FAULTS: dict[str, tuple[Steps, Any, tuple[str, ...]]] = {
    "out_shape of an op": (
        (*LINEAR, "out_shape"),
        (5,),
        ("/couplings/0/ops/0/out_shape/0", "which gives 4"),
    ),
    "in_shape of an op": (
        (*LINEAR, "in_shape"),
        (7,),
        ("/couplings/0/ops/0/in_shape/0", "which gives 6"),
    ),
    "layer of another shape": (
        (*B1, "layers", 1, "shape"),
        (9,),
        ("/couplings/0/ops/0/arguments/out_features", "which gives 9"),
    ),
    "driven layer of another shape": (
        (*B1, "drives", 0, "layer"),
        "s2",
        ("/stages/1/layers/1", "`s2` of block `b1` has [4], and its drive [6]"),
    ),
    "no shape": (
        (*B1, "layers", 1, "shape"),
        (),
        ("/layers/1`", "a layer's shape has one to three sizes"),
    ),
    "out_shape of a map": (
        ("model", "stages", 0, "out_shape"),
        (3,),
        ("/stages/0/out_shape", "which gives 64"),
    ),
    "in_shape of a map": (
        ("model", "stages", 0, "in_shape"),
        (3,),
        ("/stages/0/in_shape", "which gives [1, 8, 8]"),
    ),
    "unknown op": (
        (*LINEAR, "name"),
        "linaer",
        ("/couplings/0`", "no op is called `linaer`", "`linear`"),
    ),
    "op that no coupling has": (
        (*B1, "couplings", 0, "ops"),
        (OpIR("relu", {}, (6,), (6,)),),
        ("/couplings/0`", "cannot have `relu`"),
    ),
    "no ops": (
        (*B1, "couplings", 0, "ops"),
        (),
        ("/couplings/0`", "`s1 <-> s2` does not fit layer `s2`"),
    ),
    "unknown argument": (
        (*LINEAR, "arguments"),
        {"out_features": 4, "bias": True, "bais": True},
        ("/couplings/0/ops/0/arguments`", "which gives {"),
    ),
    "missing argument": (
        (*LINEAR, "arguments"),
        {"out_features": 4},
        ("/couplings/0/ops/0/arguments`", "which gives {"),
    ),
    "argument out of bounds": (
        (*LINEAR, "arguments"),
        {"out_features": 0, "bias": True, "gain": 1.0, "init": "inherited"},
        ("/ops/0/arguments/out_features`", "which gives 4"),
    ),
    "argument of another type": (
        (*LINEAR, "arguments"),
        {"out_features": 4, "bias": "no"},
        ("/couplings/0`", "no value is called `no`"),
    ),
    "unknown activation": (
        (*B1, "layers", 0, "activation"),
        CallIR("tahn", {}),
        ("/layers/0`", "tahn", "tanh"),
    ),
    "slope that is none": (
        (*B1, "layers", 0, "activation"),
        CallIR("tanh", {"slope": 0.0}),
        ("/layers/0`", "above 0"),
    ),
    "unknown energy": ((*B1, "energy"), "hopfeild", ("/stages/1/energy`", "hopfeild", "hopfield")),
    "coupling of a missing layer": (
        (*B1, "couplings", 0, "target"),
        "s9",
        ("/couplings/0`", "`s9` is not a layer"),
    ),
    "drive of a missing layer": (
        (*B1, "drives", 0, "layer"),
        "s9",
        ("/drives/0`", "`s9` is not a layer"),
    ),
    "output of a missing layer": (
        (*B1, "outputs", 0, "layer"),
        "s9",
        ("/outputs/0`", "`s9` is not a layer"),
    ),
    "no layers": ((*B1, "layers"), (), ("/stages/1`", "no layer")),
    "no drives": ((*B1, "drives"), (), ("/stages/1`", "nothing drives block `b1`")),
    "no outputs": ((*B1, "outputs"), (), ("/stages/1`", "no output")),
    "two layers of one name": (
        (*B1, "layers", 1, "name"),
        "s1",
        ("/layers/1`", "the name `s1` is taken"),
    ),
    "unknown port": (("model", "readout", "source"), "b9.out", ("/model/readout`", "`b9`")),
    "port read before it is written": (
        (*B1, "feedforwards", 0, "source"),
        "b2.out",
        ("/feedforwards/0`", "`b2` is not a port"),
    ),
    "order that is none": (
        (*B1, "free", "order"),
        "sideways",
        ("/stages/1/free`", "`order` is one of"),
    ),
    "damping that is none": (
        (*B1, "nudged", "damping"),
        1.0,
        ("/stages/1/nudged`", "`damping` must be"),
    ),
    "nudged by a loss that does not read it": (
        (*B1, "gradient", "arguments"),
        at(BASE, (*B1, "gradient", "arguments")) | {"nudge": "loss"},
        ("/model/auxiliary/0`", "nudge=loss follows the loss of one readout"),
    ),
    "target of another size": (
        ("model", "target", "size"),
        9,
        ("/model/losses`", "[10]", "9 classes"),
    ),
    "target of another kind": (
        ("model", "target", "kind"),
        "vector",
        ("/model/losses`", "label", "vector"),
    ),
    "unknown loss": (
        ("model", "losses", 0, "call", "name"),
        "mae",
        ("/model/losses`", "no loss", "mae"),
    ),
    "input of another kind": (
        ("model", "inputs", 0, "kind"),
        "vector",
        ("/model/inputs/0`", "`vector` takes 1 argument"),
    ),
    "unknown optimizer": (
        ("train", "optimizer", "name"),
        "adma",
        ("/train/optimizer`", "adma", "adam"),
    ),
    "no epochs": (("train", "epochs"), 0, ("/train/epochs`", "at least 1")),
}


@pytest.mark.parametrize("use", [build, to_plain, to_text])
@pytest.mark.parametrize("name", FAULTS)
def test_a_contradiction_is_refused_with_its_place(name: str, use: Callable[[SpecIR], Any]) -> None:
    path, new, said = FAULTS[name]
    assert at(BASE, path) != new
    with pytest.raises(InputError) as caught:
        use(edited(BASE, path, new))
    for part in said:
        assert part in str(caught.value), str(caught.value)


def test_two_stages_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="the name `b1` is taken"):
        build(edited(BASE, ("model", "stages", 2, "name"), "b1"))


PROPERTY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PROPERTY
@given(specs())
def test_every_spec_of_the_language_passes(spec: SpecIR) -> None:
    require_consistent(spec)


def shapes(value: Any, path: Steps = ()) -> Iterator[Steps]:
    """The path of every shape in an IR."""
    if is_dataclass(value):
        for field in fields(value):
            inside = (*path, field.name)
            if field.name in ("shape", "in_shape", "out_shape"):
                yield inside
            else:
                yield from shapes(getattr(value, field.name), inside)
    elif isinstance(value, tuple):
        for i, entry in enumerate(value):
            yield from shapes(entry, (*path, i))


def names(value: Any, path: Steps = ()) -> Iterator[Steps]:
    """The path of every name of a construct, a port or a layer that is read."""
    if is_dataclass(value) and not isinstance(value, RelaxIR):
        for field in fields(value):
            inside = (*path, field.name)
            is_call = isinstance(value, CallIR) and field.name == "name"
            is_energy = isinstance(value, BlockIR) and field.name == "energy"
            if is_call or is_energy or field.name in ("source", "target", "layer"):
                if isinstance(getattr(value, field.name), str):
                    yield inside
            elif field.name != "arguments":
                yield from names(getattr(value, field.name), inside)
    elif isinstance(value, tuple):
        for i, entry in enumerate(value):
            yield from names(entry, (*path, i))


@PROPERTY
@given(specs(), st.data())
def test_every_change_of_one_shape_is_refused(spec: SpecIR, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(list(shapes(spec))))
    before = at(spec, path)
    grown = tuple(size + 1 for size in before)
    new = data.draw(st.sampled_from((grown, (*before, 1), before[:-1])))
    with pytest.raises(InputError):
        require_consistent(edited(spec, path, new))


@PROPERTY
@given(specs(), st.data())
def test_every_change_of_one_name_that_is_read_is_refused(
    spec: SpecIR, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(list(names(spec))))
    with pytest.raises(InputError, match="nowhere"):
        require_consistent(edited(spec, path, "nowhere"))
