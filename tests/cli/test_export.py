"""``ffebm predict`` and ``ffebm export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ffebm_dsl
from ffebm_dsl.cli.main import main
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.running.training.data.dataset import normalisations_of
from ffebm_dsl.running.training.prediction import predict

SPEC = Path(__file__).parents[2] / "specs" / "small" / "digits.ffe"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "r"
    settings = ["--set", "width=8", "--max-steps", "2", "--threads", "1"]
    assert main(["train", str(SPEC), "--out", str(path), "--quiet", *settings]) == 0
    return path


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    path = tmp_path / "x.npy"
    np.save(path, generator.integers(0, 17, (5, 8, 8), dtype=np.uint8))
    return path


def test_samples_are_normalised_as_in_training(run: Path, samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.npz"
    assert main(["predict", str(run), str(samples), "--out", str(out), "--batch", "2"]) == 0
    spec = ffebm_dsl.compile_spec(ffebm_dsl.read_source(run / "spec.ffe"), {"width": "8"}).spec
    assert spec.train is not None
    network = ffebm_dsl.load(run).eval()
    raw = np.load(samples)[:, None]
    # The digits count to 16.
    x = (raw / 16 - 0.3053) / 0.3761

    (normalise,) = normalisations_of(spec.train.data, spec.model)
    normalised = normalise(torch.from_numpy(raw), torch.float32)
    np.testing.assert_allclose(normalised.numpy(), x, atol=1e-6)
    expected = network(normalised).detach().numpy()
    with np.load(out) as found:
        np.testing.assert_allclose(found["output"], expected, atol=1e-6)
        assert (found["prediction"] == expected.argmax(1)).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array(3.0), "has samples of shape []"),
        (np.array([np.zeros((8, 8)), np.full((8, 8), 3e38)]), "sample 1 of "),
    ],
    ids=["one number", "outputs overflow"],
)
def test_samples_without_a_prediction_are_named(
    run: Path,
    values: np.ndarray[Any, Any],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    np.save(tmp_path / "x.npy", values)
    assert main(["predict", str(run), str(tmp_path / "x.npy")]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and "nan" not in printed.out


def test_predictions_under_noise_are_the_same_each_time() -> None:
    """Those of an evaluation; torch's generator stays as it was."""
    text = SPEC.read_text().replace("relax free   {", "relax free { noise = [read(0.5)]")
    spec = ffebm_dsl.compile_spec(SourceFile("noise.ffe", text), {"width": "8"}).spec
    network = ffebm_dsl.load(text, width=8)
    x = np.random.default_rng(0).random((5, 8, 8), np.float32)
    torch.manual_seed(1)
    one, again = (np.concatenate([*predict(network, spec, [x], batch=2)]) for _ in range(2))
    following = torch.rand(())
    np.testing.assert_array_equal(one, again)
    assert following == torch.rand((), generator=torch.Generator().manual_seed(1))
    quiet = ffebm_dsl.load(SPEC, width=8)
    (silent,) = predict(quiet, spec, [x], batch=5)
    assert abs(one - silent).max() > 1e-3


def test_a_table_has_a_row_for_each_sample(
    run: Path, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["predict", str(run), str(samples)]) == 0
    table = capsys.readouterr().out
    head, *rows = table.splitlines()
    assert head == "index,class,probability" and len(rows) == 5
    assert all(0.1 <= float(row.split(",")[2]) <= 1 for row in rows)
    # The exported file says the same, and so does an archive.
    exported = tmp_path / "net.safetensors"
    assert main(["export", str(run), "--out", str(exported)]) == 0
    np.savez(tmp_path / "x.npz", x=np.load(samples))
    capsys.readouterr()
    assert main(["predict", str(exported), str(tmp_path / "x.npz")]) == 0
    assert capsys.readouterr().out == table


def test_a_squared_error_makes_no_probabilities(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SPEC.read_text().replace("cross_entropy(", "mse(")
    (tmp_path / "m.ffe").write_text(text)
    run, out = str(tmp_path / "r"), tmp_path / "p.npz"
    settings = ["--set", "width=8", "--max-steps", "1", "--threads", "1", "--quiet"]
    assert main(["train", str(tmp_path / "m.ffe"), "--out", run, *settings]) == 0
    assert main(["predict", run, str(samples), "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["predict", run, str(samples)]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "index,class,output"
    with np.load(out) as found:
        largest = found["output"].max(1)
    np.testing.assert_allclose([float(row.split(",")[2]) for row in rows], largest, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "RUN", "nothing.npy"], "there is no file nothing.npy"),
        (["predict", "RUN", "WRONG"], "has samples of shape [3, 3]"),
        (["predict", "RUN", "ZIPPED"], "cannot be read as a .npy file: the magic string"),
        (["predict", "nowhere", "X"], "help: name a run directory, or a file that `ffebm export`"),
        (["predict", "nowhere", "X", "--checkpoint", "best"], "an exported file has one set of"),
        (["predict", "RUN", "X", "--out", "p.csv"], "not named *.npz"),
        (["export", "nowhere"], "is not a run directory"),
        (["export", "RUN", "--out", "net.pt"], "not named *.safetensors"),
        (["export", "RUN", "--out", "a/net.pt"], "help: --out a/net.safetensors"),
        (["export", "RUN", "--out", "."], "--out NAME.safetensors"),
        (["export", "RUN", "--out", "-"], "--out NAME.safetensors"),
        (["export", "RUN", "--sweeps", "3"], "--sweeps goes with --format onnx"),
    ],
)
def test_wrong_input_is_told(
    arguments: list[str],
    message: str,
    run: Path,
    samples: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    np.save(tmp_path / "wrong.npy", np.zeros((2, 3, 3), np.uint8))
    np.savez(tmp_path / "zipped.npz", x=np.load(samples))
    zipped = (tmp_path / "zipped.npz").rename(tmp_path / "zipped.npy")
    monkeypatch.chdir(tmp_path)
    places = {"RUN": run, "X": samples, "WRONG": tmp_path / "wrong.npy", "ZIPPED": zipped}
    capsys.readouterr()
    assert main([str(places.get(argument, argument)) for argument in arguments]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert not told.out  # no head of a table either
    assert not (tmp_path / "net.pt").exists()
