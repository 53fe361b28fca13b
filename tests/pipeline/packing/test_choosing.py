"""Which clips a pack takes: splits by name, a limit that keeps to one order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from pipeline.packing.choosing import EVERYTHING, Choice, seeded

CLIPS = st.lists(st.text("abcdef", min_size=1, max_size=6), unique=True, max_size=40)
SPLITS = {"a": ["train"], "b": ["val", "test"], "c": ["test"]}


def test_splits_are_named_apart_or_with_commas() -> None:
    assert Choice.of(["train,val", " test "], None).splits == {"train", "val", "test"}
    assert Choice.of(None, None) == Choice.of([], None) == EVERYTHING


@pytest.mark.parametrize(
    ("splits", "found"),
    [(None, "abcd"), ({"train"}, "a"), ({"val"}, "b"), ({"test"}, "bc"), ({"unsplit"}, "d")],
)
def test_clips_of_the_splits_in_their_order(splits: set[str] | None, found: str) -> None:
    choice = Choice(splits and frozenset(splits))
    assert [*choice.of_splits("abcd", SPLITS)] == [*found]


def test_an_unknown_split_is_told() -> None:
    with pytest.raises(ClipmillError, match=r"unknown split 'tests'.*test, train, val.*'test'"):
        Choice(frozenset({"train", "tests"})).require(SPLITS)
    Choice(frozenset({"train", "unsplit"})).require(SPLITS)


@given(CLIPS, st.integers(1, 50), st.integers(0, 9))
def test_a_limit_is_a_prefix_of_one_order(clips: list[str], limit: int, seed: int) -> None:
    taken = [*Choice(limit=limit).first(clips, (), seed)]
    assert len(taken) == min(limit, len(clips))
    assert taken == [*Choice(limit=limit).first(reversed(clips), (), seed)]
    assert [*Choice(limit=limit + 5).first(clips, (), seed)][:limit] == taken
    # Others that come or go move none of them past each other.
    rest = [clip for clip in clips if clip != taken[0]] if taken else []
    assert [*Choice(limit=limit).first(rest, (), seed)][: limit - 1] == taken[1:]


@given(CLIPS, CLIPS, st.integers(1, 50))
def test_what_was_begun_counts(before: list[str], later: list[str], limit: int) -> None:
    first = set(Choice(limit=limit).first(before, (), 3))
    both = [*dict.fromkeys(before + later)]
    again = set(Choice(limit=limit).first(both, first, 3))
    assert first <= again
    assert len(again) == min(limit, len(both))


def test_the_seed_changes_the_order() -> None:
    clips = [f"c{number}" for number in range(100)]
    one = sorted(clips, key=lambda clip: seeded(clip, 0))
    two = sorted(clips, key=lambda clip: seeded(clip, 1))
    assert one != two
    assert one != clips
