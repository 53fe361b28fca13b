"""Counts: every clip once, splits in their order, the worst class first."""

from pathlib import Path
from typing import Any

from pipeline.reporting.funnel import COLUMNS, by_class, by_split, total
from pipeline.reporting.states import states

CLIPS = {name: f"youtube:{name}" for name in "abcdef"}


def test_splits_sum_up_and_keep_their_reasons(
    tmp_path: Path, listed: Any, outcome: Any, sampled: Any
) -> None:
    splits = [("a", "test"), ("b", "train"), ("c", "train"), ("d", "val"), ("a", "val")]
    dataset = listed(tmp_path, CLIPS, splits=splits)
    outcome(dataset, "download", "a", "failed", "geo", via="youtube")
    outcome(dataset, "download", "b", "gone", "removed", via="youtube")
    outcome(dataset, "download", "c", "done", via="cvdf")
    sampled(dataset, "d")
    found = states(dataset, "official")
    counts = by_split(found)
    assert list(counts) == ["train", "val", "test", "unsplit"]
    for one in counts.values():
        assert one["asked"] == one["packed"] + one["pending"] + one["failed"] + one["gone"]
        assert sum(one["reasons"]["failed"].values()) == one["failed"]
        assert sum(one["reasons"]["gone"].values()) == one["gone"]
    assert counts["train"]["reasons"] == {"failed": {}, "gone": {"removed": 1}}
    assert (counts["val"]["asked"], counts["val"]["held"], counts["val"]["acquired"]) == (2, 1, 0)
    assert counts["val"]["reasons"]["failed"] == counts["test"]["reasons"]["failed"] == {"geo": 1}
    everything = total(found)
    assert everything["asked"] == 6, "a clip of two splits counts once"
    assert (everything["pending"], everything["waiting"]) == (3, 1)


def test_the_worst_covered_class_stands_first(
    tmp_path: Path, listed: Any, outcome: Any, sampled: Any
) -> None:
    labels = {"a": "packed", "b": "half", "c": "half", "d": "here", "e": "none", "f": "none"}
    dataset = listed(tmp_path, CLIPS, labels=labels)
    sampled(dataset, "a")
    sampled(dataset, "b")
    outcome(dataset, "download", "d", "done", via="cvdf")
    classes = by_class(states(dataset, "official"))
    assert list(classes) == ["none", "here", "half", "packed"]
    assert classes["none"] == dict.fromkeys(COLUMNS, 0) | {
        "asked": 2,
        "pending": 2,
        "reasons": {"failed": {}, "gone": {}},
    }


def test_nothing_has_all_keys(tmp_path: Path, listed: Any) -> None:
    found = states(listed(tmp_path, {}), "official")
    assert by_split(found) == by_class(found) == {}
    assert set(total(found)) == {*COLUMNS, "reasons", "waiting"}
