"""A package may provide constructs of every kind, used by runs like ffebm's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffebm_dsl.language.registry import TABLES
from tests.examples.test_extension import ffebm

OWN = {
    "ops": "linear",
    "activations": "tanh",
    "energies": "hopfield",
    "terms": "unit_bias",
    "initialisers": "normal",
    "routings": "live",
    "solvers": "plain",
    "noises": "read",
    "arrays": "array",
    "converters": "adc",
    "gradients": "ep",
    "losses": "cross_entropy",
    "inputs": "image",
    "targets": "label",
    "data": "digits",
    "augmentations": "crop",
    "optimizers": "adam",
    "schedules": "cosine",
    "policies": "skip_batch",
}
"""A construct of each table, which the package has under another name."""

SPEC = """
ffe 1.1
use lab-tables >= 1.0
hardware device { weights = lab_array(mismatch=0.01)  outputs = lab_adc(8) }
model m {
  input  x: lab_image(1, 8, 8)
  target y: lab_label(10)
  relax free   { sweeps = 8  tolerance = 0  routing = lab_live  solver = lab_plain }
  relax nudged { sweeps = 4  noise = [lab_read(0.01)] }
  gradient lab_ep(beta=0.5)
  init lab_normal(std=0.1)
  block b {
    feedforward u = x |> flatten() |> lab_linear(12)
    energy lab_hopfield on device {
      layer s1: [12] lab_tanh
      layer s2: [8]  lab_tanh
      u -> s1
      s1 <-> s2 : lab_linear()
    }
    out = s2
  }
  block c {
    feedforward u = b |> linear(6)
    energy hopfield {
      layer s1: [6] tanh
      u -> s1
      s1 : lab_unit_bias()
    }
    out = s1
  }
  readout logits = c |> linear(10)
  loss = lab_cross_entropy(logits, y)
}
train {
  data = lab_digits(batch=16, augment=[lab_crop(padding=1)])
  optimizer = lab_adam(lr=0.01)
  schedule = lab_cosine()
  epochs = 1
  on_bad_step = lab_skip_batch()
}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    metadata = site / "lab_tables-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-tables\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[ffebm.constructs]\nlab_tables = lab_tables.constructs\n"
    )
    for table, name in OWN.items():
        folder = site / "lab_tables" / "constructs" / table
        folder.mkdir(parents=True)
        # A loss names the kinds of target that it takes.
        more = ', targets=("lab_label",)' if table == "losses" else ""
        (folder / f"lab_{name}.py").write_text(
            "from dataclasses import replace\n"
            f"from ffebm_dsl.constructs.{table}.{name} import CONSTRUCT as OWN\n"
            f'CONSTRUCT = replace(OWN, name="lab_{name}"{more})\n'
        )
    for folder in ("lab_tables", "lab_tables/constructs"):
        (site / folder / "__init__.py").touch()
    return site


def test_every_table_that_takes_additions_is_tried() -> None:
    assert set(OWN) == {name for name, table in TABLES.items() if table.extensible}


def test_a_run_with_one_of_each(lab: Path, tmp_path: Path) -> None:
    (tmp_path / "spec.ffe").write_text(SPEC)
    train = ("train", str(tmp_path / "spec.ffe"), "--out", str(tmp_path / "run"))
    done = ffebm(*train, "--max-steps", "2", "--threads", "1", site=lab)
    assert done.returncode == 0, done.stderr
    shown = ffebm("show", str(tmp_path / "spec.ffe"), site=lab)
    assert shown.returncode == 0, shown.stderr
    assert "block b: lab_hopfield" in shown.stdout
    assert "lab_read(0.01)" in shown.stdout
