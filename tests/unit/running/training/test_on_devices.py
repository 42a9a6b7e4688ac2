"""Training on hardware: stopped and taken up again, and without imperfections."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ffebm_dsl.running.training import Options, resume, train

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
NOTHING = """
hardware h {
  weights       = array(mismatch=0, transpose_mismatch=0, write_noise=0)
  noise         = [read(0)]
  drives        = ideal
  update_offset = 0
}
model small {"""


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


def test_a_device_without_imperfections_trains_as_none(tmp_path: Path) -> None:
    found = []
    for name, text in (("none", SPEC), ("nothing", on(NOTHING)), ("some", on(DEVICE))):
        (tmp_path / name).mkdir()
        session = new_session(tmp_path / name, text=text)
        train(session, controls())
        found.append(parameters(session))
    assert found[0] == found[1] != found[2]
