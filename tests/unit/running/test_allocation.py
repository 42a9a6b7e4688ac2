"""Freed memory is reused if the allocator supports it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ffebm_dsl.running.allocation import keep_freed_memory

PROGRAM = """
import resource
from ffebm_dsl.running.allocation import keep_freed_memory

if {keep} and not keep_freed_memory({{}}):
    raise SystemExit("no such setting")
size = 1 << 26
first = b"x" * size
del first
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
again = b"x" * size
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults_of_a_second_block(keep: bool) -> int:
    """Pages that the system had to find for 64 MiB when as much had been freed before."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(keep=keep)], capture_output=True, text=True
    )
    if done.returncode == 1 and "no such setting" in done.stderr:
        pytest.skip("this system's allocator cannot be told to keep memory")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_freed_memory_is_used_again() -> None:
    assert faults_of_a_second_block(keep=True) <= 4 < faults_of_a_second_block(keep=False)


@pytest.mark.parametrize(
    "environment",
    [
        {"MALLOC_TRIM_THRESHOLD_": "1000"},
        {"MALLOC_ARENA_MAX": "2"},
        {"GLIBC_TUNABLES": "glibc.cpu.x86_shstk=on:glibc.malloc.mmap_max=3"},
    ],
)
def test_the_users_own_setting_stands(environment: dict[str, str]) -> None:
    assert not keep_freed_memory(environment)
