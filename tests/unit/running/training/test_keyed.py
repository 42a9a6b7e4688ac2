"""Keyed random numbers depend on their key alone, and look random."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ffebm_dsl.running.training.keyed import Purpose, bits, permutation, step_seed, uniform

integers = st.integers(-(2**63), 2**63 - 1)


def test_the_numbers_are_pinned() -> None:
    """A change here breaks the resumption of existing runs: it must change SCHEME, too."""
    assert permutation(0, 0, 8).tolist() == [3, 5, 2, 4, 1, 0, 6, 7]
    assert step_seed(0, 1) == 6796496416428451910


@given(integers, integers, st.integers(0, 300))
def test_permutation_visits_every_sample_once(seed: int, epoch: int, size: int) -> None:
    assert sorted(permutation(seed, epoch, size)) == list(range(size))


@given(integers, integers)
def test_a_samples_numbers_do_not_depend_on_its_batch(seed: int, epoch: int) -> None:
    together = uniform(Purpose.AUGMENTATION, seed, epoch, np.arange(10))
    alone = [uniform(Purpose.AUGMENTATION, seed, epoch, i)[0] for i in range(10)]
    assert together.tolist() == alone


def test_neighbouring_keys_are_unrelated() -> None:
    """Each bit of the result flips about half of the time when a part of the key moves by one."""
    keys = np.arange(4096)
    for shifted in (
        bits(Purpose.AUGMENTATION, 0, 0, keys + 1),
        bits(Purpose.AUGMENTATION, 0, 1, keys),
        bits(Purpose.AUGMENTATION, 1, 0, keys),
        bits(Purpose.STEP, 0, 0, keys),
    ):
        changed = shifted ^ bits(Purpose.AUGMENTATION, 0, 0, keys)
        flips = np.unpackbits(changed.view(np.uint8)).reshape(4096, 64).mean(0)
        assert abs(flips - 0.5).max() < 0.05


def test_uniform_numbers_fill_the_unit_interval() -> None:
    numbers = uniform(Purpose.AUGMENTATION, 3, 4, np.arange(100_000))
    assert numbers.min() >= 0 and numbers.max() < 1
    histogram = np.histogram(numbers, 20, (0, 1))[0]
    assert abs(histogram / 5000 - 1).max() < 0.1


def test_step_seeds_are_seeds_of_torch() -> None:
    assert all(0 <= step_seed(seed, 7) < 2**63 for seed in range(-50, 50))
