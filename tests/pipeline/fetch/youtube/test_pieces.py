"""Whole or pieces: every clip is in exactly one piece that holds it."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pipeline.fetch.source import Want
from pipeline.fetch.youtube.pieces import SMALL, pieces

HOUR, BIG = 3600.0, 200 << 20


def wants(*spans):
    return [Want(f"c{i}", 1, "youtube:x", "x", *span) for i, span in enumerate(spans)]


def test_what_comes_whole():
    ten = wants((100.0, 110.0))
    assert pieces(ten, None, BIG) is None  # of unknown length
    assert pieces(ten, HOUR, SMALL) is None  # small in itself
    assert pieces(wants((10.0, 20.0)), 60.0, BIG) is None  # the clip is much of it
    assert pieces(wants((None, None)), HOUR, BIG) is None
    assert pieces(wants((5.0, None)), HOUR, BIG) is None
    assert pieces(wants(*((i, i + 10) for i in range(0, 3600, 60))), HOUR, BIG) is None


def test_what_comes_in_pieces():
    near = wants((100.0, 110.0), (115.0, 125.0), (105.0, 108.0), (900.0, 910.0))
    first, second = pieces(near, HOUR, BIG) or []
    assert (first.start_s, first.end_s, len(first.wants)) == (100.0, 125.0, 3)
    assert (second.start_s, second.end_s) == (900.0, 910.0)
    assert pieces(wants((100.0, 110.0)), HOUR, None)  # of unknown size


def test_clips_behind_the_end_are_in_no_piece():
    assert pieces(wants((4000.0, 4010.0)), HOUR, BIG) == []


@given(
    st.lists(st.tuples(st.floats(0, 4000), st.floats(0.1, 60)), min_size=1, max_size=20),
    st.floats(1, 5000),
)
def test_every_clip_is_in_one_piece_that_holds_it(spans, duration):
    asked = wants(*((start, start + length) for start, length in spans))
    found = pieces(asked, duration, None)
    if found is None:
        return
    inside = [want for piece in found for want in piece.wants]
    assert sorted(inside) == sorted(want for want in asked if want.start_s < duration)
    for piece in found:
        assert all(piece.start_s <= w.start_s and w.end_s <= piece.end_s for w in piece.wants)
    assert all(a.end_s < b.start_s for a, b in itertools.pairwise(found))
