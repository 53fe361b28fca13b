"""The state of each clip, against the rule in plain words."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.reporting.states import STAGES, kinds, states

ENDINGS = ("done", "failed", "gone")
clips = st.sampled_from([f"c{number}" for number in range(5)])
attempts = st.lists(
    st.tuples(st.sampled_from(STAGES), clips, st.sampled_from(ENDINGS)), max_size=12
)


def expected(clip: str, history: list[tuple[str, str, str]], packed: set[str]) -> dict[str, Any]:
    """What the last attempts say: packed wins, then gone, then failed, the first stage each."""
    last = {stage: ending for stage, name, ending in history if name == clip}
    acquired = last.get("download") == "done"
    found = {"acquired": acquired, "held": acquired or clip in packed, "stage": None}
    if clip in packed:
        return found | {"verdict": "packed"}
    for verdict in ("gone", "failed"):
        for stage in STAGES:
            if last.get(stage) == verdict:
                return found | {"verdict": verdict, "stage": stage}
    return found | {"verdict": "pending"}


@settings(max_examples=40, deadline=None)
@given(history=attempts, packed=st.sets(clips))
def test_each_clip_has_the_state_that_its_rows_tell(
    listed: Any, outcome: Any, sampled: Any, history: Any, packed: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        names = [f"c{number}" for number in range(5)]
        dataset = listed(Path(folder), {name: f"youtube:{name}" for name in names})
        for stage, clip, ending in history:
            reason = None if ending == "done" else f"{stage} {ending}"
            outcome(dataset, stage, clip, ending, reason, message=reason)
        for clip in packed:
            sampled(dataset, clip)
        rows = {row["clip_id"]: row for row in states(dataset, "official").clips.to_pylist()}
    assert [*rows] == names
    for clip, row in rows.items():
        wanted = expected(clip, history, packed)
        assert {name: row[name] for name in wanted} == wanted, clip
        reason = wanted["stage"] and f"{wanted['stage']} {wanted['verdict']}"
        assert row["reason"] == row["message"] == reason


def test_rows_of_clips_that_are_not_asked_for_count_nowhere(
    tmp_path: Path, listed: Any, outcome: Any
) -> None:
    dataset = listed(tmp_path, {"a": "youtube:a"})
    outcome(dataset, "download", "other", "done", via="cvdf")
    outcome(dataset, "download", "a", "failed", "geo", via="youtube")
    found = states(dataset, "official")
    assert found.clips["clip_id"].to_pylist() == ["a"]
    assert found.newest["clip_id"].to_pylist() == found.downloads["clip_id"].to_pylist() == ["a"]


def test_an_empty_root_has_no_states(tmp_path: Path, listed: Any) -> None:
    assert len(states(listed(tmp_path, {}), "official").clips) == 0


def test_kinds_of_sources() -> None:
    import pyarrow as pa

    sources = ["file:a/http.avi", "youtube:-x", "http://h/a.mp4", "https://h/youtube:.mp4"]
    assert kinds(pa.array(sources)).to_pylist() == ["file:", "youtube:", "https:", "https:"]
