"""Which frames are taken: properties for any timestamps, and cases worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.reasons import Reason
from manifests.spec import ClipSpec
from pipeline.video.errors import VideoError
from pipeline.video.frames import select, select_views

gaps = st.lists(st.floats(0, 0.5), min_size=0, max_size=120)
specs = st.one_of(
    st.builds(ClipSpec, frames=st.integers(1, 70), rate=st.integers(1, 12)),
    st.builds(
        ClipSpec, frames=st.integers(1, 70), sampling=st.just("fps"), rate=st.floats(0.1, 120)
    ),
    st.builds(ClipSpec, frames=st.integers(1, 70), sampling=st.just("uniform"), rate=st.just(1)),
)
span = st.one_of(st.none(), st.floats(-1, 30))


def at(count, rate=25.0):
    return np.arange(count) / rate


def taken(count, **spec):
    return select(at(count), ClipSpec(**spec)).indices.tolist()


@given(gaps=gaps, spec=specs, start=span, end=span)
def test_any_video_any_spec(gaps, spec, start, end):
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    inside = (times >= (-np.inf if start is None else start)) & (
        times < (np.inf if end is None else end)
    )
    if not inside.any():
        with pytest.raises(VideoError) as error:
            select(times, spec, start, end)
        assert error.value.reason is Reason.OUTSIDE_SPAN
        return
    found = select(times, spec, start, end)
    again = select(times.copy(), spec, start, end)
    assert found.indices.dtype == np.int64 and found.indices.shape == (spec.frames,)
    assert inside[found.indices].all()
    assert np.array_equal(found.indices, again.indices)
    steps = np.diff(found.indices)
    assert found.mirrored or (steps >= 0).all()
    if spec.sampling == "stride":
        fits = inside.sum() >= spec.frames * spec.rate
        assert found.stride is not None and 1 <= found.stride <= spec.rate
        assert found.mirrored == (inside.sum() < spec.frames)
        assert found.mirrored or (steps == found.stride).all()
        assert not fits or found.stride == spec.rate
    if found.mirrored:
        assert (np.abs(steps) <= 1).all() and set(found.indices) == set(np.flatnonzero(inside))


def test_stride_is_centred():
    assert taken(14, frames=3, rate=4) == [3, 7, 11]
    assert taken(12, frames=3, rate=4) == taken(12, frames=3, sampling="uniform", rate=1)


def test_too_short_takes_the_largest_stride_then_mirrors():
    assert taken(11, frames=3, rate=4) == [2, 5, 8]
    assert taken(4, frames=11) == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2]
    assert taken(1, frames=3) == [0, 0, 0]
    assert taken(2, frames=5) == [0, 1, 0, 1, 0]


def test_uniform_takes_the_middle_of_each_part():
    assert taken(10, frames=4, sampling="uniform", rate=1) == [1, 3, 6, 8]
    assert taken(2, frames=4, sampling="uniform", rate=1) == [0, 0, 1, 1]


def test_fps_goes_by_timestamps_not_by_counting():
    # Frames at 10 a second, then a pause of one second, then 10 a second again.
    times = np.concatenate([np.arange(10) / 10, 2 + np.arange(10) / 10])
    spec = ClipSpec(frames=6, sampling="fps", rate=2)
    # Shown for 3 s; instants 0.25, 0.75, 1.25, 1.75, 2.25, 2.75.
    assert select(times, spec).indices.tolist() == [2, 7, 9, 9, 12, 17]


def test_fps_above_the_videos_own_repeats_frames():
    found = select(at(100, 10), ClipSpec(frames=6, sampling="fps", rate=30))
    assert len(set(found.indices.tolist())) <= 3 and not found.mirrored


def test_span_is_half_open():
    spec = ClipSpec(frames=1, rate=1)
    assert select(at(10, 1), spec, 3.0, 4.0).indices.tolist() == [3]
    with pytest.raises(VideoError, match="no frame with 10"):
        select(at(10, 1), spec, 10.0, None)


def test_no_frames():
    with pytest.raises(VideoError) as error:
        select(at(0), ClipSpec())
    assert error.value.reason is Reason.NO_FRAMES


views_of = st.integers(1, 32)


@given(gaps=gaps, spec=specs, views=views_of)
def test_views_are_windows_from_the_first_place_to_the_last(gaps, spec, views):
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    found = select_views(times, spec, None, None, views)
    assert len(found) == views
    only = select(times, spec)
    for one in found:
        assert one.indices.shape == (spec.frames,)
        assert one.indices.min() >= 0 and one.indices.max() < len(times)
        assert (one.stride, one.mirrored) == (only.stride, only.mirrored)
        assert one.mirrored or (np.diff(one.indices) >= 0).all()
    starts = np.array([one.indices[0] for one in found])
    if only.mirrored:
        assert all(np.array_equal(one.indices, only.indices) for one in found)
        return
    assert (np.diff(starts) >= 0).all()
    if views == 1:
        assert np.array_equal(found[0].indices, only.indices)
    elif spec.sampling == "stride":
        half = only.stride // 2
        last = len(times) - 1 - (only.stride - 1 - half)
        assert starts[0] == half and found[-1].indices[-1] == last
        assert np.ptp(np.diff(starts)) <= 1 if views > 2 else True
    # The middle one of an odd number is today's window, but for rounding.
    if views % 2 and spec.sampling != "fps":
        assert np.abs(found[views // 2].indices - only.indices).max() <= 1


def test_views_by_hand():
    #  14 frames, 3 of stride 4: room 2   ->  starts 0, 1, 2 and the middle of each cell 2 on
    spec = ClipSpec(frames=3, rate=4)
    found = [one.indices.tolist() for one in select_views(at(14), spec, None, None, 3)]
    assert found == [[2, 6, 10], [3, 7, 11], [4, 8, 12]]
    uniform = ClipSpec(frames=2, sampling="uniform", rate=1)
    found = [one.indices.tolist() for one in select_views(at(8), uniform, None, None, 2)]
    assert found == [[1, 5], [3, 7]]
    fps = ClipSpec(
        frames=2, sampling="fps", rate=5
    )  # windows of 0.4 s in 1 s at 10 frames a second
    found = [one.indices.tolist() for one in select_views(at(10, 10), fps, None, None, 3)]
    assert [row[0] for row in found] == [1, 4, 7] or [row[0] for row in found] == [0, 3, 6]
    span = [one.indices.tolist() for one in select_views(at(28), spec, 14 / 25, None, 3)]
    assert span == [[16, 20, 24], [17, 21, 25], [18, 22, 26]]
