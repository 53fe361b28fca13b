"""Shares of the data: all runs together read everything, none far more than it should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from pipeline.verifying.subset import subset

SIZES = st.dictionaries(st.text(min_size=1, max_size=9), st.integers(0, 10**9), max_size=60)


@given(SIZES, st.integers(1, 30))
def test_n_parts_are_all_and_each_file_is_in_one(sizes: dict[str, int], count: int) -> None:
    parts = [subset(f"{number}/{count}", 0).chosen(sizes) for number in range(1, count + 1)]
    assert set().union(*parts) == set(sizes)
    assert sum(map(len, parts)) == len(sizes)


@given(SIZES, st.integers(1, 30), st.text(min_size=1))
def test_a_new_file_changes_no_part(sizes: dict[str, int], count: int, new: str) -> None:
    before = subset(f"1/{count}", 0).chosen(sizes)
    assert before - {new} == subset(f"1/{count}", 0).chosen(sizes | {new: 1}) - {new}


@given(SIZES, st.sampled_from([1, 2, 4, 5, 10, 20, 25, 30, 50, 100]), st.integers(0, 10**6))
def test_seeds_in_a_row_read_all(sizes: dict[str, int], percent: int, seed: int) -> None:
    runs = -(-100 // percent)
    parts = [subset(f"{percent}%", seed + number).chosen(sizes) for number in range(runs)]
    assert set().union(*parts) == set(sizes)


@given(st.integers(0, 1000))
def test_a_share_is_about_so_many_bytes(seed: int) -> None:
    sizes = {f"train-{number:06d}.tar": 1000 + number for number in range(400)}
    found = sum(sizes[name] for name in subset("5%", seed).chosen(sizes))
    assert abs(found / sum(sizes.values()) - 0.05) < 0.01
    assert subset("5%", seed).chosen(sizes) == subset(" 5 %", seed).chosen(sizes)
    assert subset("5%", seed).chosen(sizes) != subset("5%", seed + 1).chosen(sizes)


@pytest.mark.parametrize("text", ["5", "0%", "101%", "0/3", "4/3", "1/0", "-5%", "half", ""])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ClipmillError, match=r"expected a share .* 5%, or .* 2/20"):
        subset(text, 0)
