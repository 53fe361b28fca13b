"""Sources and bytes: a file counts once, however many clips it serves."""

from pathlib import Path
from typing import Any

from pipeline.reporting.acquired import acquired
from pipeline.reporting.states import states


def test_bytes_are_those_of_files_by_source(tmp_path: Path, listed: Any, outcome: Any) -> None:
    dataset = listed(tmp_path, {name: f"youtube:{name}" for name in "abcde"})
    assert acquired(states(dataset, "official")) == {
        "clips": 0,
        "files": 0,
        "bytes": 0,
        "mean_bytes": None,
        "via": {},
    }
    outcome(dataset, "download", "a", "done", via="youtube", path="videos/ab/x.mp4", bytes=500)
    outcome(dataset, "download", "b", "done", via="youtube", path="videos/ab/x.mp4", bytes=490)
    outcome(dataset, "download", "c", "done", via="cvdf", bytes=100)
    outcome(dataset, "download", "d", "done", bytes=7)  # older rows do not say
    outcome(dataset, "download", "e", "done", via="cvdf", bytes=100)
    outcome(dataset, "download", "e", "failed", "changed")
    found = acquired(states(dataset, "official"))
    assert list(found["via"].items()) == [
        ("youtube", {"clips": 2, "files": 1, "bytes": 500}),
        ("cvdf", {"clips": 1, "files": 1, "bytes": 100}),
        ("local", {"clips": 1, "files": 1, "bytes": 7}),
    ]
    assert (found["clips"], found["files"], found["bytes"]) == (4, 3, 607)
