"""Training on several inputs: arrays by name, augmentations of each, trained networks."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

import ffebm_dsl
from ffebm_dsl.cli.main import main
from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.interchange.load import to_plain, to_text
from ffebm_dsl.running.training import train
from ffebm_dsl.running.training.augment import partners
from ffebm_dsl.running.training.data import Data, load
from tests.unit.running.training.runs import controls, new_session, rows

SPEC = """ffe 1.1
model m {
  input  left:  image(1, 4, 4)
  input  right: image(1, 4, 4)
  input  told:  vector(3)
  target y: label(4)
  block b {
    feedforward u = left |> flatten() |> linear(8)
    feedforward v = right |> flatten() |> linear(8) |> batch_norm1d()
    feedforward w = told |> linear(6)
    energy hopfield {
      layer s1: [8] hard_sigmoid
      layer s2: [8] hard_sigmoid
      layer s3: [6] hard_sigmoid
      u  ->  s1
      v  ->  s2
      w  ->  s3
      s1 <-> s2 : linear()
      s2 <-> s3 : linear()
    }
    out = s3
  }
  readout logits = b |> linear(4)
  loss = cross_entropy(logits, y)
}
train {
  data      = npz("data.npz", batch=8)
  optimizer = adam(lr=1e-2)
  epochs    = 2
}
"""
NAMES = ("left", "right", "told")


def arrays(train: int = 20) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    found = {}
    for part, count in (("train", train), ("test", 6)):
        for name in ("left", "right"):
            found[f"{name}_{part}"] = generator.integers(0, 256, (count, 4, 4), np.uint8)
        found[f"told_{part}"] = generator.normal(size=(count, 3)).astype(np.float32)
        found[f"y_{part}"] = generator.integers(0, 4, count)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.savez(tmp_path / "data.npz", **arrays())
    return tmp_path


def loaded(folder: Path, augment: str = "[]", text: str = SPEC) -> Data:
    compiled = ffebm_dsl.compile_spec(
        ffebm_dsl.SourceFile("m.ffe", text), {"data.augment": augment}
    )
    spec = compiled.spec
    assert spec.train is not None
    return load(spec.train.data, spec.model, folder, torch.device("cpu"), torch.float32)


def test_every_input_has_the_array_of_its_name(folder: Path) -> None:
    found = arrays()
    (left, right, told), y = loaded(folder).train.batch(np.array([3, 1]))
    for image, name in ((left, "left_train"), (right, "right_train")):
        np.testing.assert_allclose(image[:, 0].numpy(), found[name][[3, 1]] / 255, rtol=1e-6)
    np.testing.assert_array_equal(told.numpy(), found["told_train"][[3, 1]])
    assert y.tolist() == found["y_train"][[3, 1]].tolist()


def test_hdf5_files_hold_the_same(folder: Path) -> None:
    with h5py.File(folder / "data.h5", "w") as file:
        for name, array in arrays().items():
            file[name] = array
    one = loaded(folder)
    other = loaded(folder, text=SPEC.replace('npz("data.npz"', 'hdf5("data.h5"'))
    assert one.sha256 == other.sha256


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("right_train", None, "has no array `right_train`"),
        ("right_train", np.zeros((19, 4, 4), np.uint8), "holds 19 samples, y_train of .* 20 tar"),
        ("told_test", np.zeros((6, 2)), "told_test of .* samples of shape .2., but input `told`"),
        ("left_test", np.zeros((6, 4, 4)), "left_train of .* has type uint8, left_test .* float64"),
    ],
)
def test_a_file_that_lacks_or_spoils_one_is_refused(
    tmp_path: Path, name: str, array: np.ndarray | None, message: str
) -> None:
    found = {key: value for key, value in arrays().items() if key != name}
    np.savez(tmp_path / "data.npz", **found, **({} if array is None else {name: array}))
    with pytest.raises(InputError, match=message):
        loaded(tmp_path)


def test_images_are_augmented_alike_and_vectors_are_left_alone(folder: Path) -> None:
    found = arrays()
    found["right_train"] = found["left_train"]
    np.savez(folder / "data.npz", **found)
    data = loaded(folder, "[hflip(), crop(padding=1), random_erasing()]").train
    indices = data.rows[:12]
    (plain, _, untold), _ = data.batch(indices)
    (left, right, told), _ = data.augmented(indices, seed=1, epoch=2)
    assert torch.equal(left, right) and torch.equal(told, untold)
    assert not torch.equal(left, plain)


def test_all_inputs_and_the_target_are_mixed_by_one_share(folder: Path) -> None:
    data = loaded(folder, "[mixup(alpha=0.4)]").train
    indices = data.rows[:9]
    others = partners(data.rows, indices, seed=1, epoch=2)
    inputs, y = data.augmented(indices, seed=1, epoch=2)
    (own, label), (other, its_label) = data.batch(indices), data.batch(others)
    apart = label != its_label
    assert apart.sum() > 3
    part = (y * one_hot(label, 4)).sum(1)
    for x, mine, theirs in zip(inputs, own, other, strict=True):
        share = part.view(-1, *[1] * (x.dim() - 1))
        mixed = theirs + share * (mine - theirs)
        torch.testing.assert_close(x[apart], mixed[apart], rtol=1e-5, atol=1e-6)


def test_one_rectangle_is_cut_from_every_image(folder: Path) -> None:
    text = "".join(
        line for line in SPEC.splitlines(True) if "told" not in line and "w " not in line
    )
    session = new_session(folder, {"data.augment": "[cutmix()]"}, text=text)
    data = session.job.data.train
    indices = data.rows[:9]
    others = partners(data.rows, indices, seed=1, epoch=2)
    (left, right), y = data.augmented(indices, seed=1, epoch=2)
    (own, label), (other, its_label) = data.batch(indices), data.batch(others)
    cut = left != own[0]
    assert torch.equal(left, torch.where(cut, other[0], own[0])) and bool(cut.any())
    # Two pixels that are equal in both images may lie in it, unseen.
    assert torch.equal(right, torch.where(cut | (right != own[1]), other[1], own[1]))
    assert ((right != own[1]) ^ cut).double().mean() < 0.02
    apart = label != its_label
    part = (y * one_hot(label, 4)).sum(1)[apart]
    assert (1 - cut.flatten(1).double().mean(1)[apart] - part).abs().max() <= 1 / 16


def test_a_reconstruction_is_of_all_inputs_in_their_order(folder: Path) -> None:
    text = SPEC.replace("label(4)", "reconstruction(35)").replace("linear(4)", "linear(35)")
    text = text.replace("cross_entropy", "mse")
    (left, right, told), y = loaded(folder, text=text).train.batch(np.arange(4))
    assert torch.equal(y, torch.cat([left.flatten(1), right.flatten(1), told], 1))


def test_a_run_is_evaluated_exported_and_used(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = new_session(folder, text=SPEC)
    result = train(session, controls())
    assert len(rows(folder / "run")["train/loss"]) == 6
    assert main(["eval", str(folder / "run"), "--data-dir", str(folder)]) == 0
    assert f"{100 * result.top1:.2f}%" in capsys.readouterr().out
    exported = folder / "net.safetensors"
    assert main(["export", str(folder / "run"), "--out", str(exported)]) == 0
    samples = {name: arrays()[f"{name}_test"] for name in NAMES}
    np.savez(folder / "x.npz", **samples)
    inputs, _ = session.job.data.named("test").batch(np.arange(6))
    network = ffebm_dsl.load(folder / "run").eval()
    expected = network(*inputs).detach().numpy()
    for trained in (folder / "run", exported):
        out = folder / "out.npz"
        command = [
            "predict",
            str(trained),
            str(folder / "x.npz"),
            "--out",
            str(out),
            "--batch",
            "4",
        ]
        assert main(command) == 0
        with np.load(out) as found:
            np.testing.assert_allclose(found["output"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ({"left": 3, "right": 3}, "has no array `told`"),
        ({"left": 3, "right": 3, "told": 2}, "holds 3 of left, 3 of right, 2 of told"),
        (None, "holds one array, and the network has 3 inputs"),
    ],
)
def test_samples_that_do_not_fit_are_refused(
    folder: Path,
    samples: dict[str, int] | None,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    new_session(folder, text=SPEC).lock.release()
    whole = {name: arrays()[f"{name}_test"] for name in NAMES}
    path = folder / ("x.npy" if samples is None else "x.npz")
    if samples is None:
        np.save(path, whole["left"])
    else:
        np.savez(path, **{name: whole[name][:count] for name, count in samples.items()})
    assert main(["predict", str(folder / "run"), str(path)]) == 2
    assert message in capsys.readouterr().err


def test_yaml_and_text_say_the_same() -> None:
    spec = ffebm_dsl.compile_spec(ffebm_dsl.SourceFile("m.ffe", SPEC)).spec
    assert ffebm_dsl.compile_spec(ffebm_dsl.SourceFile("m.ffe", to_text(spec))).spec == spec
    assert [end["name"] for end in to_plain(spec)["model"]["inputs"]] == list(NAMES)
