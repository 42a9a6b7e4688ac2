"""Read a run's record with plain h5py, with xarray, and with ffebm's own reader.

ffebm does not need xarray: pip install xarray h5netcdf

python examples/read_record.py runs/digits-20261123T211234Z-968b/run.h5
"""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import xarray

from ffebm_dsl.running.records import read


def with_h5py(path: Path) -> None:
    """Datasets by path; units and meaning are attributes."""
    with h5py.File(path) as file:
        loss = file["run/train/loss"]
        print(f"{loss.attrs['long_name']}: {loss[0]:.3f} -> {loss[-1]:.3f} {loss.attrs['units']}")
        print(f"test accuracy: {file['run/eval/top1'][-1]:.1%}")


def with_xarray(path: Path) -> None:
    """Labelled axes: sweeps by step and solve."""
    with xarray.open_dataset(path, group="run/relaxation", engine="h5netcdf") as relaxation:
        for solve in relaxation["solve"].values:
            sweeps = relaxation["sweeps_mean"].sel(solve=solve)
            print(f"{solve}: {float(sweeps.mean()):.1f} sweeps on average")


def with_ffebm(path: Path) -> None:
    """The whole file is validated against the schema first."""
    record = read(path)
    provenance = record["provenance"]
    print(f"model {record.attributes['title']}, seed {provenance['seed']}")
    print(f"{len(record['train'])} steps, {record.attributes['status']}")


if __name__ == "__main__":
    path = Path(sys.argv[1])
    with_h5py(path)
    with_xarray(path)
    with_ffebm(path)
