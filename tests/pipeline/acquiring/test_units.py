"""Cutting videos and clips without one into units: none is lost, none stands twice."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.acquiring.finding import File
from pipeline.acquiring.units import UNIT, Absent, Planned, Video, cut


@given(st.integers(0, 100), st.sampled_from([0, 1, 9_999, 10_000, 10_001]))
def test_every_clip_is_in_one_unit(videos: int, absent: int) -> None:
    there = [Video(File(str(n), Path(str(n))), [(f"v{n}", 1), (f"w{n}", 1)]) for n in range(videos)]
    lacking = [Planned("youtube:x", f"a{n}", 1) for n in range(absent)]
    found: list[str] = []
    for unit, count in cut(there, lacking, "/videos", {}):
        if isinstance(unit, Absent):
            clips = [row["clip_id"] for row in unit.rows()["download"]]
        else:
            clips = [clip for video in unit for clip, _ in video.clips]
            assert len(unit) <= UNIT
        assert len(clips) == count
        found += clips
    assert len(found) == len(set(found)) == 2 * videos + absent
