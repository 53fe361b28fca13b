"""Random numbers of clips: uniform, independent, from the clip alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.draws import clip_keys, doubles, uniforms


def draws(keys: np.ndarray, seed: int, epoch: int, purpose: int, bound: int) -> np.ndarray:
    return (doubles(keys, seed, epoch, purpose, 1)[..., 0] * bound).astype(np.int64)


@given(st.lists(st.text(max_size=8), max_size=40, unique=True), st.integers(0, 2**33))
def test_draws_depend_on_the_clip_and_never_on_its_place(names: list[str], seed: int) -> None:
    keys = clip_keys(names)
    found = draws(keys, seed, 3, 1, 1000)
    assert np.all((found >= 0) & (found < 1000))
    assert draws(keys[::-1], seed, 3, 1, 1000).tolist() == found[::-1].tolist()
    for place in range(len(names)):
        assert draws(keys[place : place + 1], seed, 3, 1, 1000)[0] == found[place]


@pytest.mark.parametrize("bound", [1, 2, 7, 17, 100])
def test_draws_are_uniform_and_independent(bound: int) -> None:
    keys = clip_keys(f"clip-{number}" for number in range(20_000))
    several = [draws(keys, *by, bound) for by in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0))]
    for found in several:
        counts = np.bincount(found, minlength=bound)
        expected = len(keys) / bound
        chi = float(((counts - expected) ** 2 / expected).sum())
        # The mean is bound - 1, the deviation sqrt(2 (bound - 1)): six of them never happen.
        assert chi <= bound - 1 + 6 * np.sqrt(2 * max(bound - 1, 1))
    for one in range(4):
        for two in range(one):
            same = float(np.mean(several[one] == several[two]))
            assert abs(same - 1 / bound) < 0.02


def test_the_largest_draw_stays_below_its_bound() -> None:
    keys = np.arange(100_000, dtype=np.uint64)
    assert draws(keys, 0, 0, 3, 2**31).max() < 2**31


def test_floats_stay_below_one_and_purposes_do_not_depend_on_their_number() -> None:
    keys = clip_keys(f"clip-{number}" for number in range(1000)).reshape(10, 100)
    found = uniforms(keys, 1, 2, 3, 8)
    assert found.shape == (10, 100, 8) and found.dtype == np.float32
    assert found.min() >= 0 and found.max() < 1
    assert np.array_equal(found[..., 2:5], uniforms(keys, 1, 2, 5, 3))
