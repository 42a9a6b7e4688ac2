"""Data sets: accepted and refused data, and the contents of batches."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.ir.model import CallIR, FeedforwardIR, InputIR, ModelIR, TargetIR
from ffebm_dsl.running.datasets.places import CATALOGUE
from ffebm_dsl.running.training.data import Data, load

MNIST_FILES = CATALOGUE["mnist"].layouts[0].files
CPU = torch.device("cpu")
REAL_MNIST = Path(__file__).parents[5] / "shared" / "data" / "mnist"
IMAGE, LABEL = InputIR("x", "image", (1, 4, 5)), TargetIR("y", "label", 3)

Arrays = dict[str, Any]


def model(image: InputIR = IMAGE, target: TargetIR = LABEL) -> ModelIR:
    readout = FeedforwardIR("logits", "x", (), image.shape, (target.size,))
    return ModelIR("m", (image,), target, (), readout, (), (), CallIR("torch"))


def call(name: str, **arguments: Any) -> CallIR:
    defaults: Arrays = {"batch": 4, "augment": (), "mean": (0.0,), "std": (1.0,)}
    return CallIR(name, {**defaults, **arguments})


def load_arrays(
    folder: Path, arrays: Arrays, image: InputIR = IMAGE, target: TargetIR = LABEL, **more: Any
) -> Data:
    np.savez(folder / "a.npz", **arrays)
    return load(call("npz", path="a.npz", **more), model(image, target), folder, CPU, torch.float64)


@pytest.fixture
def arrays() -> Arrays:
    generator = np.random.default_rng(0)
    return {
        "x_train": generator.integers(0, 256, (10, 1, 4, 5), np.uint8),
        "y_train": generator.integers(0, 3, 10),
        "x_test": generator.integers(0, 256, (6, 1, 4, 5), np.uint8),
        "y_test": generator.integers(0, 3, 6),
    }


def write_mnist(folder: Path, zipped: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in MNIST_FILES:
        count = 7 if name.startswith("train") else 3
        shape = (count, 4, 5) if "images" in name else (count,)
        content = bytes([0, 0, 8, len(shape)])
        content += b"".join(side.to_bytes(4, "big") for side in shape)
        content += (np.arange(np.prod(shape)) % 3).astype(np.uint8).tobytes()
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


class TestDigits:
    def test_the_split_is_stratified_and_fixed(self) -> None:
        image = InputIR("x", "image", (1, 8, 8))
        data = load(
            call("digits"), model(image, TargetIR("y", "label", 10)), None, CPU, torch.float32
        )
        assert (len(data.train), len(data.test)) == (1442, 355)
        assert data.sha256.startswith("679a63917b475f31")
        counts = np.bincount(data.test.y)
        assert counts.min() >= 34 and counts.max() <= 36

    def test_batches_are_scaled_by_16_and_normalised(self) -> None:
        image = InputIR("x", "image", (1, 8, 8))
        data = load(
            call("digits", mean=(0.5,), std=(0.25,)),
            model(image, TargetIR("y", "label", 10)),
            None,
            CPU,
            torch.float64,
        )
        assert data.train.inputs[0].dtype == np.uint8
        (x,), y = data.train.batch(np.array([3, 1]))
        expected = (data.train.inputs[0][[3, 1]] / 16 - 0.5) / 0.25
        assert x.dtype == torch.float64 and y.dtype == torch.int64
        np.testing.assert_allclose(x.numpy(), expected)

    def test_images_serve_a_vector_input(self) -> None:
        image = InputIR("x", "vector", (64,))
        data = load(
            call("digits"), model(image, TargetIR("y", "label", 10)), None, CPU, torch.float32
        )
        assert data.test.batch(np.arange(5))[0][0].shape == (5, 64)


class TestMnist:
    @pytest.mark.parametrize("below", [".", "mnist", "MNIST/raw"])
    @pytest.mark.parametrize("zipped", [True, False])
    def test_found_in_the_usual_places(self, tmp_path: Path, below: str, zipped: bool) -> None:
        write_mnist(tmp_path / below, zipped)
        data = load(call("mnist"), model(), tmp_path, CPU, torch.float32)
        assert (len(data.train), len(data.test)) == (7, 3)
        assert data.train.batch(np.arange(2))[0][0].shape == (2, 1, 4, 5)

    def test_plain_and_zipped_files_are_the_same_data(self, tmp_path: Path) -> None:
        write_mnist(tmp_path / "a", True)
        write_mnist(tmp_path / "b", False)
        hashes = {
            load(call("mnist"), model(), tmp_path / name, CPU, torch.float32).sha256
            for name in "ab"
        }
        assert len(hashes) == 1

    def test_without_a_data_directory(self) -> None:
        with pytest.raises(InputError, match="needs a data directory") as caught:
            load(call("mnist"), model(), None, CPU, torch.float32)
        assert "give --data-dir DIR where you have it" in caught.value.help
        assert "`ffebm data fetch mnist --data-dir data` gets it, or put" in caught.value.help

    def test_missing_file_names_where_it_was_looked_for(self, tmp_path: Path) -> None:
        write_mnist(tmp_path)
        (tmp_path / f"{MNIST_FILES[3]}.gz").unlink()
        with pytest.raises(InputError, match=f"{MNIST_FILES[3]}.*{tmp_path}, {tmp_path}/mnist"):
            load(call("mnist"), model(), tmp_path, CPU, torch.float32)

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda b: b"\x00\x00\x08\x04" + b[4:], "starts with the bytes 00 00 08 04"),
            (lambda b: b"", "ends at byte 0, inside its header"),
            (lambda b: b[:9], "ends at byte 9, inside its header"),
            (lambda b: b[:-1], "has 155 bytes, its header declares 156"),
            (lambda b: b + b"\x00", "has 157 bytes, its header declares 156"),
            (
                lambda b: b[:4] + b"\xff" * 12,
                "has 16 bytes, its header declares 7922",
            ),
            (lambda b: b[:4] + b"\x00" * 12, "holds no samples"),
        ],
    )
    def test_damaged_files(
        self, tmp_path: Path, damage: Callable[[bytes], bytes], message: str
    ) -> None:
        write_mnist(tmp_path, zipped=False)
        path = tmp_path / MNIST_FILES[0]
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(InputError, match=message) as caught:
            load(call("mnist"), model(), tmp_path, CPU, torch.float32)
        assert str(path) in caught.value.message and caught.value.help

    @pytest.mark.parametrize(
        "damage",
        [lambda b: b[:-9], lambda b: b[:20], lambda b: b"no gzip", lambda b: b[:-8] + bytes(8)],
        ids=["end", "middle", "kind", "checksum"],
    )
    def test_damaged_gzip(self, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
        write_mnist(tmp_path)
        path = tmp_path / f"{MNIST_FILES[0]}.gz"
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(InputError, match=f"{path} cannot be read: "):
            load(call("mnist"), model(), tmp_path, CPU, torch.float32)

    def test_counts_must_agree(self, tmp_path: Path) -> None:
        write_mnist(tmp_path)
        shutil.copy(tmp_path / f"{MNIST_FILES[3]}.gz", tmp_path / f"{MNIST_FILES[1]}.gz")
        with pytest.raises(InputError, match=r"holds 7 samples, .* 3 targets"):
            load(call("mnist"), model(), tmp_path, CPU, torch.float32)

    @pytest.mark.skipif(not REAL_MNIST.is_dir(), reason="the MNIST files are not here")
    def test_the_real_files(self) -> None:
        image = InputIR("x", "image", (1, 28, 28))
        data = load(
            call("mnist", mean=(0.1307,), std=(0.3081,)),
            model(image, TargetIR("y", "label", 10)),
            REAL_MNIST,
            CPU,
            torch.float32,
        )
        assert (len(data.train), len(data.test)) == (60_000, 10_000)
        (x,), _ = data.train.batch(np.arange(5000))
        assert abs(float(x.mean())) < 0.02 and abs(float(x.std()) - 1) < 0.02


class TestArrays:
    def test_npz_and_hdf5_hold_the_same_data(self, tmp_path: Path, arrays: Arrays) -> None:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            for name, array in arrays.items():
                file[name] = array
        from_npz = load_arrays(tmp_path, arrays)
        from_hdf5 = load(call("hdf5", path="a.h5"), model(), tmp_path, CPU, torch.float64)
        assert from_npz.sha256 == from_hdf5.sha256
        (x,), y = from_hdf5.test.batch(np.array([5, 0]))
        np.testing.assert_allclose(x.numpy(), arrays["x_test"][[5, 0]] / 255)
        assert y.tolist() == arrays["y_test"][[5, 0]].tolist()

    def test_floats_are_taken_as_they_are(self, tmp_path: Path, arrays: Arrays) -> None:
        arrays["x_train"] = arrays["x_train"].astype(np.float32) - 7
        arrays["x_test"] = arrays["x_test"].astype(np.float32)
        (x,), _ = load_arrays(tmp_path, arrays).train.batch(np.arange(10))
        np.testing.assert_array_equal(x.numpy(), arrays["x_train"])

    def test_the_byte_order_of_the_file_does_not_matter(
        self, tmp_path: Path, arrays: Arrays
    ) -> None:
        expected = load_arrays(tmp_path, arrays).test.batch(np.arange(6))
        for name in ("x_train", "x_test"):
            arrays[name] = (arrays[name] / 255).astype(">f8")
        arrays["y_test"] = arrays["y_test"].astype(">i2")
        (x,), y = load_arrays(tmp_path, arrays).test.batch(np.arange(6))
        assert torch.equal(x, expected[0][0]) and torch.equal(y, expected[1])

    def test_a_missing_channel_axis_is_added(self, tmp_path: Path, arrays: Arrays) -> None:
        arrays["x_train"] = arrays["x_train"][:, 0]
        assert load_arrays(tmp_path, arrays).train.inputs[0].shape == (10, 1, 4, 5)

    def test_mean_and_std_per_channel(self, tmp_path: Path, arrays: Arrays) -> None:
        arrays["x_train"] = np.ones((2, 2, 4, 5), np.float32)
        arrays["x_test"] = arrays["x_train"]
        arrays |= {"y_train": np.array([0, 1]), "y_test": np.array([0, 1])}
        image = InputIR("x", "image", (2, 4, 5))
        data = load_arrays(tmp_path, arrays, image, mean=(0.0, 1.0), std=(0.5, 2.0))
        (x,), _ = data.train.batch(np.array([0]))
        assert x[0, :, 0, 0].tolist() == [2.0, 0.0]

    def test_vector_targets(self, tmp_path: Path, arrays: Arrays) -> None:
        arrays["y_train"] = np.linspace(0, 1, 20, dtype=np.float32).reshape(10, 2)
        arrays["y_test"] = np.zeros((6, 2), np.float32)
        data = load_arrays(tmp_path, arrays, target=TargetIR("y", "vector", 2))
        y = data.train.batch(np.array([9]))[1]
        assert y.dtype == torch.float64 and y.shape == (1, 2)

    def test_memory_maps_are_possible(self, tmp_path: Path, arrays: Arrays) -> None:
        data = load_arrays(tmp_path, arrays)
        mapped = np.memmap(tmp_path / "x", np.uint8, "w+", shape=data.train.inputs[0].shape)
        mapped[:] = data.train.inputs[0]
        from dataclasses import replace

        indices = np.array([1, 4])
        there = replace(data.train, inputs=(mapped,)).batch(indices)[0][0]
        assert torch.equal(there, data.train.batch(indices)[0][0])


def put(name: str, change: Callable[[Any], Any]) -> Callable[[Arrays], None]:
    def apply(arrays: Arrays) -> None:
        arrays[name] = change(arrays[name])

    return apply


def poke(value: float) -> Callable[[Any], Any]:
    def apply(array: Any) -> Any:
        array = array.astype(np.float32)
        array[3, 0, 1, 2] = value
        return array

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda a: a.pop("y_test"), "has no array `y_test`; it has: x_train, y_train, x_test"),
        (put("x_train", poke(np.nan)), r"x_train .* holds nan at index \[3, 0, 1, 2\]"),
        (put("x_test", poke(np.inf)), r"x_test .* holds inf at index \[3, 0, 1, 2\]"),
        (put("x_train", lambda x: x * -1e40), r"x_train .* holds -\S+e\+4\d at index \[0, "),
        (put("y_train", lambda y: y + 1), r"holds the label 3 at index \d, .* label\(3\)"),
        (put("y_test", lambda y: y - 1), r"y_test .* holds the label -1 at index"),
        (put("y_test", lambda y: y.astype(float)), "y_test .* type float64"),
        (put("y_test", lambda y: y[:, None]), r"y_test .* shape \[6, 1\]"),
        (put("x_train", lambda x: x[:9]), "x_train .* 9 samples, y_train .* 10 targets"),
        (put("x_train", lambda x: x[:0]), "x_train .* holds no samples"),
        (
            put("x_train", lambda x: x[..., :4]),
            r"samples of shape \[1, 4, 4\], .* image\(1, 4, 5\)",
        ),
        (put("x_train", lambda x: x.astype(np.int64)), "x_train .* type int64"),
        (put("x_train", lambda x: x.astype(complex)), "x_train .* type complex128"),
        (put("x_train", lambda x: np.uint8(1)), "is a single number"),
        (put("x_train", lambda x: x.astype(object)), "Object arrays cannot be loaded"),
    ],
)
def test_unfit_arrays_are_refused(
    tmp_path: Path, arrays: Arrays, damage: Callable[[Arrays], Any], message: str
) -> None:
    damage(arrays)
    with pytest.raises(InputError, match=message) as caught:
        load_arrays(tmp_path, arrays)
    assert str(tmp_path / "a.npz") in caught.value.message
    assert caught.value.help


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(10), r"shape \[10\]"),
        (np.zeros((10, 3)), r"shape \[10, 3\]"),
        (np.zeros((10, 2), int), "type int64"),
        (np.zeros((10, 2), np.longdouble), "type float128"),
        (np.full((10, 2), np.nan), r"holds nan at index \[0, 0\]"),
    ],
)
def test_unfit_vector_targets(tmp_path: Path, arrays: Arrays, y: Any, message: str) -> None:
    arrays |= {"y_train": y, "y_test": np.zeros((6, 2))}
    with pytest.raises(InputError, match=message):
        load_arrays(tmp_path, arrays, target=TargetIR("y", "vector", 2))


@pytest.mark.parametrize("source", ["npz", "hdf5"])
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("absent", "there is no file"),
        ("/etc/passwd", "leaves the data directory"),
        ("a/../../b", "leaves the data directory"),
        ("text", "cannot be read"),
        ("empty", "cannot be read"),
        (".", "there is no file"),
    ],
)
def test_unfit_paths(tmp_path: Path, source: str, path: str, message: str) -> None:
    (tmp_path / "text").write_text("no data\n" * 20)
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match=message):
        load(call(source, path=path), model(), tmp_path, CPU, torch.float32)


@pytest.mark.parametrize("source", ["npz", "hdf5"])
def test_paths_need_a_data_directory(source: str) -> None:
    with pytest.raises(InputError, match="needs a data directory"):
        load(call(source, path="a"), model(), None, CPU, torch.float32)


def test_the_data_directory_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        load(call("digits"), model(), tmp_path / "absent", CPU, torch.float32)


def test_a_bare_npy_file_is_no_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(InputError, match="cannot be read as an npz archive"):
        load(call("npz", path="a.npy"), model(), tmp_path, CPU, torch.float32)


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("name", ["a.npz", "a.h5"])
def test_truncated_archives(tmp_path: Path, arrays: Arrays, name: str, cut: float) -> None:
    path = tmp_path / name
    if name.endswith("npz"):
        np.savez_compressed(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for key, array in arrays.items():
                file[key] = array
    os.truncate(path, int(path.stat().st_size * cut))
    source = "npz" if name.endswith("npz") else "hdf5"
    with pytest.raises(InputError, match=f"{path}.* cannot be read"):
        load(call(source, path=name), model(), tmp_path, CPU, torch.float32)


def test_hdf5_takes_nothing_from_elsewhere(tmp_path: Path, arrays: Arrays) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x_train"] = arrays["x_train"]
    (tmp_path / "raw").write_bytes(arrays["x_train"].tobytes())
    layout = h5py.VirtualLayout((10, 1, 4, 5), np.uint8)
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "x_train", (10, 1, 4, 5))
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file.create_dataset("x_train", (200,), np.uint8, external=[(tmp_path / "raw", 0, 200)])
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("x_train", layout)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["x_train"] = h5py.ExternalLink("other.h5", "x_train")
    with h5py.File(tmp_path / "soft.h5", "w") as file:
        file["x_train"] = h5py.SoftLink("/elsewhere")
    with h5py.File(tmp_path / "group.h5", "w") as file:
        file.create_group("x_train")
    for name, message in (
        ("external", "takes its values from another file"),
        ("virtual", "takes its values from another file"),
        ("link", "is a link to another place"),
        ("soft", "is a link to another place"),
        ("group", "is not a dataset"),
    ):
        with pytest.raises(InputError, match=f"x_train {message}"):
            load(call("hdf5", path=f"{name}.h5"), model(), tmp_path, CPU, torch.float32)


@pytest.mark.parametrize("samples", [1 << 24, 1 << 45])
def test_a_declared_size_far_beyond_what_is_stored_is_refused(tmp_path: Path, samples: int) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x_train", (samples, 1, 4, 5), np.uint8, chunks=(1, 1, 4, 5))
    with pytest.raises(InputError, match=r"declares \d+ bytes and stores 0"):
        load(call("hdf5", path="a.h5"), model(), tmp_path, CPU, torch.float32)


@pytest.mark.parametrize(
    ("more", "message"),
    [({"mean": (0.0, 0.0)}, "2 entries for 1 channels"), ({"std": (0.0,)}, "must be positive")],
)
def test_unfit_normalisation(
    tmp_path: Path, arrays: Arrays, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_arrays(tmp_path, arrays, **more)


def test_augmentation_needs_images(tmp_path: Path, arrays: Arrays) -> None:
    with pytest.raises(InputError, match="`hflip` needs an image"):
        load_arrays(
            tmp_path,
            arrays,
            InputIR("x", "vector", (20,)),
            augment=(CallIR("hflip", {"p": 0.5}),),
        )


def alike(arrays: Arrays, **changes: Any) -> Arrays:
    """Samples of real numbers from 0 to 1, with some arrays replaced."""
    scaled = {name: arrays[name] / 255.0 for name in ("x_train", "x_test")}
    return {**arrays, **scaled, **changes}


@pytest.mark.parametrize("floats", ["x_train", "x_test"])
def test_half_a_data_set_scaled_is_refused(tmp_path: Path, arrays: Arrays, floats: str) -> None:
    """The split of integers would be divided by 255 and the other not."""
    with pytest.raises(InputError, match=r"uint8 is divided by 255 when used") as caught:
        load_arrays(tmp_path, {**arrays, floats: arrays[floats].astype(np.float32)})
    assert "float32" in caught.value.message and "same type" in caught.value.help


def test_splits_of_another_range_are_warned_of(tmp_path: Path, arrays: Arrays) -> None:
    assert load_arrays(tmp_path, arrays).warnings == ()
    assert load_arrays(tmp_path, alike(arrays)).warnings == ()
    assert load_arrays(tmp_path, alike(arrays, x_test=arrays["x_test"] / 2550)).warnings == ()
    for name in ("x_train", "x_test"):
        (warning,) = load_arrays(tmp_path, alike(arrays, **{name: arrays[name] * 1.0})).warnings
        assert "x_test of" in warning and "differ by far in range: root mean square" in warning
    (warning,) = load_arrays(tmp_path, {**arrays, "x_test": arrays["x_test"] // 200}).warnings
    assert "are both scaled in the same way?" in warning


def test_a_feature_or_a_target_of_another_range_is_warned_of(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    arrays = {
        name: generator.normal(size=(20, 3)) for name in ("x_train", "y_train", "x_test", "y_test")
    }
    fit = InputIR("x", "vector", (3,)), TargetIR("y", "vector", 3)
    assert load_arrays(tmp_path, arrays, *fit).warnings == ()
    metres = {**arrays, "x_test": arrays["x_test"] * [1, 1e-3, 1]}
    (warning,) = load_arrays(tmp_path, metres, *fit).warnings
    assert "differ by far in range, feature 1: root mean square" in warning
    (warning,) = load_arrays(tmp_path, {**arrays, "y_test": arrays["y_test"] * 100}, *fit).warnings
    assert warning.startswith("y_test of")


def test_a_vector_has_a_mean_and_a_std_for_each_feature(tmp_path: Path) -> None:
    x = np.arange(24.0).reshape(8, 3)
    arrays = {"x_train": x, "y_train": np.zeros(8, int), "x_test": x, "y_test": np.zeros(8, int)}
    fit = InputIR("x", "vector", (3,)), LABEL
    mean, std = (1.0, 2.0, 3.0), (1.0, 2.0, 4.0)
    data = load_arrays(tmp_path, arrays, *fit, mean=mean, std=std)
    np.testing.assert_allclose(data.train.batch(np.arange(8))[0][0].numpy(), (x - mean) / std)
    with pytest.raises(InputError, match="mean has 2 entries for 3 features"):
        load_arrays(tmp_path, arrays, *fit, mean=(1.0, 2.0))


@pytest.mark.parametrize("path", ["toy.npz", "data/toy.npz"])
def test_the_data_directory_is_not_looked_for_inside_itself(
    tmp_path: Path, arrays: Arrays, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    np.savez(folder / "toy.npz", **arrays)
    monkeypatch.chdir(tmp_path)
    for data_dir in (folder, Path("data")):
        data = load(call("npz", path=path), model(), data_dir, CPU, torch.float32)
        assert data.files == ("toy.npz",)
    (folder / "data").mkdir()
    np.savez(folder / "data" / "other.npz", **arrays)
    load(call("npz", path="data/other.npz"), model(), folder, CPU, torch.float32)
    with pytest.raises(InputError, match=r"there is no file .*absent\.npz") as caught:
        load(call("npz", path="data/absent.npz"), model(), folder, CPU, torch.float32)
    assert f"relative to the data directory, {folder}" in caught.value.help


@pytest.mark.parametrize(("padding", "fits"), [(3, True), (4, False), (20, False)])
def test_a_crop_of_nothing_but_padding_is_refused(
    tmp_path: Path, arrays: Arrays, padding: int, fits: bool
) -> None:
    augment = (CallIR("crop", {"padding": padding, "mode": "zeros"}),)
    if fits:
        load_arrays(tmp_path, arrays, augment=augment)
        return
    with pytest.raises(
        InputError, match=rf"crop\(padding={padding}\) on images of 4 x 5"
    ) as caught:
        load_arrays(tmp_path, arrays, augment=augment)
    assert "at most 3" in caught.value.help
