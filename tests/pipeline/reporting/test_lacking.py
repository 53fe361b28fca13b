"""Clips without a video, in groups: who was asked, and what the last one said."""

from pathlib import Path
from typing import Any

from pipeline.reporting.lacking import Lacking, lacking
from pipeline.reporting.states import states


def test_groups_know_every_source_that_was_asked(
    tmp_path: Path, listed: Any, outcome: Any, sampled: Any
) -> None:
    dataset = listed(tmp_path, {name: f"youtube:{name}" for name in "abcdefg"} | {"h": "file:h"})
    for clip in "abc":
        outcome(dataset, "download", clip, "failed", "no_source", via="cvdf")
    outcome(dataset, "download", "c", "gone", "removed", via="youtube")
    outcome(dataset, "download", "d", "done", via="cvdf")
    outcome(dataset, "pack", "d", "failed", "corrupt")  # its video is here
    outcome(dataset, "download", "e", "failed", "missing")
    sampled(dataset, "f")
    groups = lacking(states(dataset, "official"))
    assert sum(group.clips for group in groups) == 6
    assert set(groups) == {
        Lacking(2, "youtube:", "failed", "no_source", "cvdf", frozenset({"cvdf"})),
        Lacking(1, "youtube:", "gone", "removed", "youtube", frozenset({"cvdf", "youtube"})),
        Lacking(1, "youtube:", "failed", "missing", "local", frozenset({"local"})),
        Lacking(1, "youtube:", "pending", "", "", frozenset()),
        Lacking(1, "file:", "pending", "", "", frozenset()),
    }


def test_before_any_attempt_all_are_pending(tmp_path: Path, listed: Any) -> None:
    dataset = listed(tmp_path, {"a": "https://h/a.mp4"})
    [group] = lacking(states(dataset, "official"))
    assert group == Lacking(1, "https:", "pending", "", "", frozenset())
