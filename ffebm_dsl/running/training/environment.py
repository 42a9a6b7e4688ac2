"""Versions and hardware that affect a run's numbers besides spec, data and seed."""

from __future__ import annotations

import os
import platform

import h5py
import numpy as np
import torch

from ffebm_dsl import __version__
from ffebm_dsl.language.diagnostics import InputError

Environment = dict[str, str | int]

KERNEL_VARIABLES = ("ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS")
"""Environment variables that select the kernels of PyTorch's libraries."""


def environment(device: torch.device) -> Environment:
    """The properties that decide whether two processes compute the same bits."""
    facts: Environment = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
    facts |= {name: os.environ[name] for name in KERNEL_VARIABLES if name in os.environ}
    if device.type == "cuda":
        facts["cuda"] = str(torch.version.cuda)
        facts["cudnn"] = str(torch.backends.cudnn.version())
    return facts


def seed_generators(seed: int, device: torch.device) -> None:
    """``torch.manual_seed`` without the half millisecond that it takes for other devices."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)


def packages() -> list[str]:
    """The installed versions, as ``name==version``."""
    versions = {
        "ffebm": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "h5py": h5py.__version__,
    }
    return [f"{name}=={number}" for name, number in versions.items()]


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def choose_device(name: str) -> torch.device:
    """A device by name: ``auto`` (CUDA if available), ``cpu``, ``cuda``, ``cuda:1``.

    Choosing a CUDA device disables PyTorch's TF32 for the whole process.

    Raises:
        InputError: the device is not available.
    """
    device = _device_by_name(name)
    if device.type == "cuda":
        # PyTorch may round float32 convolutions to TF32, whose 2^-11 hides small nudges.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return device


def _device_by_name(name: str) -> torch.device:
    cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"unknown device {name!r}", help="use auto, cpu, cuda or cuda:N")
    count = torch.cuda.device_count() if cuda else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise InputError(
            f"device {name} is not available: torch sees {count} CUDA devices",
            help="use --device cpu, or install a build of torch that fits the GPU's driver",
        )
    return device


def choose_dtype(name: str) -> torch.dtype:
    """``float32`` or ``float64``.

    Raises:
        InputError: any other type.
    """
    known = {"float32": torch.float32, "float64": torch.float64}
    if name not in known:
        raise InputError(f"unknown dtype {name!r}", help="use float32 or float64")
    return known[name]
