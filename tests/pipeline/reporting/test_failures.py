"""Reasons: each clip under one, with an example that is one of them."""

from pathlib import Path
from typing import Any

from pipeline.reporting.failures import failures
from pipeline.reporting.states import states


def test_each_reason_has_its_counts_and_an_example_of_its_own(
    tmp_path: Path, listed: Any, outcome: Any
) -> None:
    dataset = listed(tmp_path, {name: f"youtube:{name}" for name in "abcde"})
    for clip, status, reason in (
        ("a", "failed", "geo"),
        ("b", "gone", "removed"),
        ("c", "failed", "unavailable"),
        ("d", "gone", "unavailable"),
        ("e", "done", None),
    ):
        message = f"what {clip} heard"
        outcome(dataset, "download", clip, status, reason, message=message, via="youtube")
    outcome(dataset, "pack", "e", "failed", "a reason of a later clipmill", message="what e heard")
    found = failures(states(dataset, "official"))
    assert [(one["reason"], one["failed"], one["gone"]) for one in found] == [
        ("unavailable", 1, 1),
        ("geo", 1, 0),
        ("removed", 0, 1),
        ("a reason of a later clipmill", 1, 0),
    ]
    for one in found:
        assert one["clips"] == one["failed"] + one["gone"]
        assert one["message"] == f"what {one['example']} heard"
    assert found[-1]["stage"] == "pack" and found[-1]["meaning"] == ""
    assert all(one["meaning"] for one in found[:-1])
