"""What the checks of targets have in common."""

from __future__ import annotations

from typing import Any


def described(y: Any) -> str:
    return f"has shape {list(y.shape)} and type {y.dtype}"


def is_vectors(y: Any, size: int, kinds: str = "f") -> bool:
    """Whether an array is (n, size) of float16 to float64, or of another of numpy's ``kinds``."""
    kind, item = y.dtype.kind, y.dtype.itemsize
    return y.shape[1:] == (size,) and kind in kinds and (kind != "f" or item in (2, 4, 8))


def first_outside(y: Any, low: float, high: float) -> tuple[int, ...] | None:
    """The index of the first entry that is not a number from ``low`` to ``high``."""
    import numpy as np

    bad = np.argwhere(~((y >= low) & (y <= high)))
    return tuple(int(i) for i in bad[0]) if len(bad) else None


def normal_vectors(samples: int, size: int, generator: Any) -> Any:
    import torch

    return torch.randn((samples, size), dtype=torch.float64, generator=generator)
