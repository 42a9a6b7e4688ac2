"""Keep the memory that a relaxation frees, for its next sweep.

A sweep allocates every layer's new state and frees the old one: tens of megabytes each, some
hundred times per step. glibc hands blocks of that size back to the system, and each comes
anew as pages that the system must find and clear. On split L12 at batch 64 that took an
eighth of a step. Freed memory is kept instead and used again; in exchange the process holds
on to the most it ever needed (there 14 % more than before), until it ends.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping

# Parameters of mallopt, from glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4

NEVER = -1


def keep_freed_memory(environment: Mapping[str, str] = os.environ) -> bool:
    """Have the C allocator of this process keep what is freed; whether it will.

    It will not where the allocator has no such setting (other systems than Linux with
    glibc), and not where the user has chosen one: by ``MALLOC_...`` or ``GLIBC_TUNABLES``.
    An allocator put before glibc's (``LD_PRELOAD``) is not affected.
    """
    if "glibc.malloc" in environment.get("GLIBC_TUNABLES", ""):
        return False
    if any(name.startswith("MALLOC_") for name in environment):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None:
        return False
    return all(mallopt(*setting) == 1 for setting in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER)))
