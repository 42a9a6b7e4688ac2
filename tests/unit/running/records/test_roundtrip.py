"""Records survive a round trip through a file, and open with plain HDF5 readers."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.records import GROUPS, RELAXATION, TRAIN, Record, image, read, write
from tests.records import SOLVES, train_row, whole_record


def test_what_is_read_equals_what_was_written(tmp_path: Path) -> None:
    record = whole_record(steps=300)
    write(record, tmp_path / "run.h5")
    again = read(tmp_path / "run.h5")
    assert again.attributes == record.attributes
    assert again.tables.keys() == record.tables.keys()
    for group in GROUPS:
        for field in group.fields:
            np.testing.assert_array_equal(
                again[group.name][field.name], record[group.name][field.name]
            )


def test_a_record_that_was_read_can_grow(tmp_path: Path) -> None:
    record = whole_record(steps=3)
    write(record, tmp_path / "run.h5")
    again = read(tmp_path / "run.h5")
    again["train"].append(train_row(4))
    again["train"].append(train_row(5))
    assert list(again["train"]["step"]) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("steps", [0, 1, 64, 65])
def test_every_length_can_be_written(tmp_path: Path, steps: int) -> None:
    write(whole_record(steps=steps), tmp_path / "run.h5")
    assert len(read(tmp_path / "run.h5")["train"]) == steps


def test_cut_drops_the_steps_after_a_checkpoint() -> None:
    record = whole_record(steps=20)
    events = len(record["events"])
    record.cut(12, evaluated=10)
    assert list(record["train"]["step"]) == list(range(1, 13))
    assert list(record["relaxation"]["step"]) == list(range(1, 13))
    assert list(record["eval"]["step"]) == [10]
    assert len(record["events"]) == events


def test_a_row_must_fit_the_schema() -> None:
    record = whole_record(steps=1)
    with pytest.raises(ValueError, match="loss"):
        record["train"].append({k: v for k, v in train_row(2).items() if k != "loss"})
    with pytest.raises(ValueError, match="residual_max"):
        row = {column.name: 0 for column in RELAXATION.columns}
        record["relaxation"].append(row)


def test_the_file_carries_default_plots_scales_and_checksums(tmp_path: Path) -> None:
    write(whole_record(steps=5), tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5") as file:
        assert file[file.attrs["default"]].attrs["default"] == "train"
        train = file["run/train"]
        assert train.attrs["NX_class"] == "NXdata"
        assert train.attrs["signal"] in train
        assert train["loss"].dims[0]["step"] == train["step"]
        for group in GROUPS:
            for field in group.fields:
                dataset = file["run"][group.name][field.name]
                assert dataset.attrs["units"] and dataset.attrs["long_name"]
                assert dataset.fletcher32 == (field.dtype != "str" and bool(field.dims))


@pytest.mark.parametrize("group", [group.name for group in GROUPS])
def test_xarray_opens_every_group(tmp_path: Path, group: str) -> None:
    import xarray  # takes a second

    write(whole_record(steps=10), tmp_path / "run.h5")
    with xarray.open_dataset(tmp_path / "run.h5", group=f"run/{group}", engine="h5netcdf") as data:
        assert data.sizes.get("step", 10) in (1, 10)
        if group == "relaxation":
            assert data["sweeps_mean"].dims == ("step", "solve")
            assert list(data["solve"].values) == SOLVES


def test_equal_records_give_equal_bytes_apart_from_the_time_of_writing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "ffebm_dsl.running.records.record_writer.utc_now", lambda: "2026-01-01T00:00:00Z"
    )
    assert image(whole_record(steps=70)) == image(whole_record(steps=70))


def test_a_record_without_its_first_row_has_no_such_group(tmp_path: Path) -> None:
    full = whole_record(steps=1)
    early = Record(full.attributes, dict(full.tables))
    for name in ("relaxation", "gradients", "eval", "transients"):
        del early.tables[name]
    write(early, tmp_path / "run.h5")
    assert "relaxation" not in read(tmp_path / "run.h5").tables


def test_missing_file_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a file"):
        read(tmp_path / "absent.h5")


def test_columns_are_the_fields_along_the_rows() -> None:
    assert {f.name for f in TRAIN.columns} == {f.name for f in TRAIN.fields}
    assert {f.name for f in RELAXATION.constants} == {"solve", "block", "phase"}


def test_a_path_may_be_text_or_a_link(tmp_path: Path) -> None:
    write(whole_record(steps=2), tmp_path / "run.h5")
    (tmp_path / "link.h5").symlink_to(tmp_path / "run.h5")
    assert len(read(str(tmp_path / "run.h5"))["train"]) == 2
    assert len(read(tmp_path / "link.h5")["train"]) == 2
