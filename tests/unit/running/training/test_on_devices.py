"""Training on hardware: resumed, and without imperfections."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ffebm_dsl.running.training import Options, measures, resume, train
from ffebm_dsl.running.training.world import ALONE, World

from .runs import SPEC, controls, new_session, parameters, rows

DEVICE = """
hardware h {
  weights       = array(levels=32, write_noise=0.02, mismatch=0.05, transpose_mismatch=0.02)
  noise         = [read(0.02)]
  drives        = dac(8)
  outputs       = adc(8)
  cotangents    = dac(8)
  updates       = adc(8)
  update_offset = 1e-4
}
model small {"""
NOTHING = {
    "read": "noise = [read(0)]",
    "state": "noise = [state(0)]",
    "weights": "weights = ideal",
    "range": "weights = array(range=1e9)",
    "levels": "weights = array(levels=ideal)",
    "write_noise": "weights = array(write_noise=0)",
    "mismatch": "weights = array(mismatch=0)",
    "transpose_mismatch": "weights = array(transpose_mismatch=0)",
    "drives": "drives = ideal",
    "outputs": "outputs = ideal",
    "cotangents": "cotangents = ideal",
    "updates": "updates = ideal",
    "update_offset": "update_offset = 0",
}
"""Every knob at strength zero; ``pcm`` and ``reram`` have none."""

Trained = tuple[dict[str, bytes], dict[str, list[object]]]


def on(device: str) -> str:
    """The small network, its blocks on this hardware."""
    text = SPEC.replace("ffe 1.0", "ffe 1.1").replace("\nmodel small {", device)
    return text.replace("hopfield {", "hopfield on h {")


def test_a_stop_leaves_no_trace(tmp_path: Path) -> None:
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole = new_session(tmp_path / "whole", text=on(DEVICE))
    train(whole, controls())
    train(new_session(tmp_path / "cut", text=on(DEVICE)), controls(max_steps=5))
    torch.manual_seed(99)
    session = resume(tmp_path / "cut" / "run", Options(), pytest.fail)
    train(session, controls())
    assert parameters(session) == parameters(whole)
    cut, uncut = (rows(tmp_path / name / "run") for name in ("cut", "whole"))
    assert cut.keys() == uncut.keys()
    assert all(repr(cut[key]) == repr(uncut[key]) for key in cut)


def trained(folder: Path, text: str) -> Trained:
    """Everything that a whole training ends with, and all that was measured in it."""
    folder.mkdir()
    session = new_session(folder, text=text)
    train(session, controls())
    return parameters(session), rows(folder / "run")


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained(tmp_path_factory.mktemp("without") / "a", SPEC)


@pytest.mark.parametrize("knob", [*NOTHING, "all"])
def test_a_device_without_imperfections_trains_as_none(
    knob: str, without: Trained, tmp_path: Path
) -> None:
    """Bit for bit, over a whole training with dropout, batch norm and phases to a tolerance."""
    keys = {line.partition(" = ")[0]: line for line in NOTHING.values()}.values()
    device = "  ".join(keys) if knob == "all" else NOTHING[knob]
    bits, measured = trained(tmp_path / "a", on(f"\nhardware h {{ {device} }}\nmodel small {{"))
    assert bits == without[0]
    assert repr(measured) == repr(without[1])


def test_a_device_with_imperfections_trains_otherwise(without: Trained, tmp_path: Path) -> None:
    assert trained(tmp_path / "a", on(DEVICE))[0] != without[0]


class Doubled(World):
    """Two processes with the same samples."""

    size = 2

    def all_reduce(self, tensor: torch.Tensor) -> torch.Tensor:
        return 2 * tensor


def test_diagnosed_gradients_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    """Not where coarse converters round the cotangents, either."""
    coarse = DEVICE.replace("cotangents    = dac(8)", "cotangents    = dac(3, range=0.5)")
    job = new_session(tmp_path, text=on(coarse)).job
    inputs, y = job.data.train.augmented(torch.arange(8).numpy(), seed=0, epoch=0)

    def norms(world: World) -> list[float]:
        torch.manual_seed(0)
        row = measures.gradient_row(job.network, inputs, y, world, 1 / world.size)
        norms: list[float] = row["norm_implicit"].tolist()
        return norms

    assert norms(Doubled()) == pytest.approx(norms(ALONE), rel=1e-5, abs=1e-9)
