"""Shares of many machines are disjoint, together whole, and the same everywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from pipeline.fetch.selection import Selection


@given(st.integers(1, 40), st.lists(st.text(), unique=True))
def test_every_video_belongs_to_one_share(count, sources):
    shares = [Selection.of(f"{i}/{count}", None, None, "none") for i in range(1, count + 1)]
    for source in sources:
        assert sum(share.takes(source, None) for share in shares) == 1


def test_shares_are_about_equal_and_never_change():
    share = Selection.of("3/4", None, None, "none")
    taken = [number for number in range(4000) if share.takes(f"youtube:{number}", "x")]
    assert 900 < len(taken) < 1100
    assert taken[:5] == [3, 5, 6, 14, 18]


def test_classes_are_letter_for_letter():
    some = Selection.of(None, ["Run", "jump"], None, "none")
    assert some.takes("a", "Run") and not some.takes("a", "run") and not some.takes("a", None)


def test_each_selection_has_a_digest_of_its_own_and_keeps_it():
    several = [
        Selection.of(None, None, None, "none"),
        Selection.of(None, None, None, "failed"),
        Selection.of("1/2", None, None, "none"),
        Selection.of(None, ["a"], None, "none"),
        Selection.of(None, None, 5, "none"),
    ]
    assert len({one.digest for one in several}) == len(several)
    assert Selection.of(None, ["b", "a"], None, "x").digest == (
        Selection.of(None, ["a", "b"], None, "x").digest
    )


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3", ""])
def test_a_part_that_is_none(part):
    with pytest.raises(ClipmillError, match="expected I/N"):
        Selection.of(part, None, None, "none")
