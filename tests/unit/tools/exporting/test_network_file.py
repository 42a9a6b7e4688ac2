"""A network in one file reloads with the same outputs, and other files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

import ffebm_dsl
from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.tools.exporting.network_file import read_network, write_network

SPECS = Path(__file__).parents[4] / "specs" / "small"


def spec_of(name: str, **params: str) -> ffebm_dsl.SpecIR:
    source = SourceFile(name, (SPECS / name).read_text(encoding="utf-8"))
    return compile_spec(source, params).spec


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_network_loads_again_with_its_buffers_and_overrides(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    spec = spec_of("digits.ffe", width="8")
    network = build(spec, seed=3, dtype=dtype)
    x = torch.rand(6, 1, 8, 8, dtype=dtype)
    network(x)  # moves the statistics of batch normalisation
    network.eval()
    write_network(tmp_path / "net.safetensors", network, spec)
    found, read = read_network(tmp_path / "net.safetensors")
    assert read.model == spec.model and read.train == spec.train
    found.eval()
    assert torch.equal(found(x), network(x)) and found(x).dtype == dtype
    loaded = ffebm_dsl.load(tmp_path / "net.safetensors").eval()
    assert torch.equal(loaded(x), network(x))


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    with pytest.raises(InputError, match="cannot be read"):
        read_network(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(InputError, match="cannot be read"):
        ffebm_dsl.load(path)
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(2)}))
    with pytest.raises(InputError, match="is not a network that ffebm exported"):
        read_network(path)


def test_tensors_of_another_spec_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    small, wide = spec_of("digits.ffe", width="8"), spec_of("digits.ffe", width="16")
    write_network(path, build(small), wide)
    with pytest.raises(InputError, match="its tensors are not those of its spec"):
        read_network(path)


def test_a_trained_network_has_its_own_values(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    spec = spec_of("digits.ffe", width="8")
    write_network(path, build(spec), spec)
    with pytest.raises(InputError, match="has its own value of `width`"):
        ffebm_dsl.load(path, width=16)
