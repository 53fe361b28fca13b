"""Clip ids: stable, unique, fit to be a tar member's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.rows import CLIP_ID, MAX_CLIP_ID, clip_id, slug

TEXT = st.text(max_size=120)
SPAN = st.one_of(st.none(), st.floats(0, 1e6))


@given(TEXT, TEXT, SPAN, SPAN)
def test_a_clip_id_is_a_key_of_webdataset(
    head: str, source: str, start: float | None, end: float | None
) -> None:
    found = clip_id(head, source, start, end)
    assert CLIP_ID.fullmatch(found)
    assert len(found) <= MAX_CLIP_ID
    assert found == clip_id(head, source, start, end)
    assert found[-10:] == clip_id("another head", source, start, end)[-10:]


@given(TEXT, TEXT, SPAN, SPAN)
def test_other_sources_and_spans_give_other_ids(
    one: str, two: str, start: float | None, end: float | None
) -> None:
    first = clip_id("v", one, start, end)
    if one != two:
        assert clip_id("v", two, start, end) != first
    if start != end:
        assert clip_id("v", one, end, start) != first


def test_ids_stay_the_same_for_ever() -> None:
    assert clip_id("v_Run_g01_c02", "file:Run/v_Run_g01_c02.avi", None, None) == (
        "v_Run_g01_c02-7ae68bc7b9"
    )
    assert clip_id("", "youtube:abc", 1.0, 11.0) == "84866107a6"


@pytest.mark.parametrize(
    ("text", "found"),
    [("Riding a Bike!", "riding_a_bike"), ("", "_"), ("…", "_"), ("-a-", "a"), ("Ü x", "x")],
)
def test_slugs(text: str, found: str) -> None:
    assert slug(text) == found
